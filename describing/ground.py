"""What a component is built on, in whichever process it runs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from base.clock import Clock
from base.database import Database, Schema
from logs.consumer.partition import OnProcessed
from logs.log import Log
from logs.processed_inputs import ProcessedInputs
from matrix.identifiers import ServerName
from matrix.signing import SigningKey

P = TypeVar("P")
S = TypeVar("S", bound=msgspec.Struct)


class ServerFacts(NamedTuple):
    """What is the same in every process of a server."""

    server_name: ServerName
    default_room_version: str
    """Room version of new rooms whose creator asks for none."""
    version: str
    """Of the server's code."""
    capabilities: Mapping[str, Any]
    """What clients are told at `/capabilities` because of the settings of any component."""
    is_alone: bool
    """Whether all of the server is in this process: its log can be in no other one."""


class Ground(Protocol):
    """What a component is built on: what it may use, and whom it may ask."""

    @property
    def server(self) -> ServerFacts:
        """Return what is the same in every process."""
        ...

    @property
    def log(self) -> Log:
        """Return the log."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...

    @property
    def key(self) -> SigningKey:
        """Return the server's key, for a component that says that it signs."""
        ...

    def section(self, kind: type[S]) -> S:
        """Return the component's own section of the settings."""
        ...

    @property
    def folder(self) -> Path:
        """Return the folder for files of a component that says that it keeps some.

        The component makes it, when there is something to keep.
        """
        ...

    async def open_database(self, schema: Schema, *, durable: bool = False) -> Database:
        """Return a database of the component, which the process closes.

        What no log can write again is `durable`.
        """
        ...

    def ask(self, protocol: Callable[..., P]) -> P:
        """Return an internal API that the component says that it asks.

        It is the object of the component that serves it, where that runs in this process, or calls
        of another one. What is asked later may raise `Unavailable` until all components are built.
        """
        ...

    def hear_processed(self) -> ProcessedInputs:
        """Return where this process hears how far consumers are, wherever they run."""
        ...

    def tell_processed(self) -> OnProcessed:
        """Return what lets those hear who wait for a consumer of this process."""
        ...
