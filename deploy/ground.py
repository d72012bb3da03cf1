"""What components stand on, in whichever process they run."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from base.clock import Clock
from base.database import Database, Schema
from deploy.settings import Settings
from logs.log import Log
from matrix.signing import SigningKey

if TYPE_CHECKING:
    from deploy.internal_calls import InternalCalls

T = TypeVar("T")


class OpenDatabase(Protocol):
    """Opens a component's database, which the process closes."""

    async def __call__(self, schema: Schema, *, durable: bool = False) -> Database:
        """Return the database; one that no log can rebuild is `durable`."""
        ...


class Ground(NamedTuple):
    """What components stand on."""

    settings: Settings
    log: Log
    clock: Clock
    open_database: OpenDatabase
    key: SigningKey | None
    """Where the client API is built."""
    calls: "InternalCalls | None"
    """Where components of other processes are asked."""
    stack: AsyncExitStack


def given(value: T | None) -> T:
    """Return what a component needs, which the process was to give."""
    if value is None:
        raise RuntimeError("The process was not given what its components need.")
    return value
