"""What a reader says of how its tables are made again."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from base.database import Connection, Database, Schema
from logs.rebuilding.catching_up import CatchingUp

C = TypeVar("C", bound=msgspec.Struct)
C_co = TypeVar("C_co", bound=msgspec.Struct, covariant=True)


class RebuildPart(Protocol[C_co]):
    """A part of what the owners keep, written in one transaction with the cursor behind it."""

    @property
    def after(self) -> C_co:
        """Return how far the history is then."""
        ...

    @property
    def records(self) -> int:
        """Return how many records it has."""
        ...

    def write(self, connection: Connection) -> None:
        """Write it into the copy."""
        ...


class RebuildHistory(Protocol[C]):
    """All that the owners keep, in a fixed order, read and written part by part."""

    async def read(self, cursor: C) -> RebuildPart[C] | None:
        """Return the part behind a cursor; `None` where all of the history has been read."""
        ...

    def describe(self, cursor: C) -> tuple[str, int]:
        """Return what is read at this cursor, and how many rooms are whole: for people."""
        ...


class ConsumerName(NamedTuple):
    """A consumer and its topic."""

    consumer: str
    topic: str


class RebuiltReader(Protocol[C]):
    """A reader whose tables can be made again.

    Client sync is one, with a history per stream; search would be one with the rooms alone.
    """

    @property
    def schema(self) -> Schema:
        """Return its tables, of which `REBUILDING_SCHEMA` and `CONSUMER_SCHEMA` are parts."""
        ...

    @property
    def start(self) -> C:
        """Return the cursor before anything is read."""
        ...

    @property
    def positions(self) -> Sequence[ConsumerName]:
        """Return whose positions a copy may have: what is behind them has to be in the log."""
        ...

    async def begin(self, former: Database | None) -> Callable[[Connection], None]:
        """Return what a new copy begins with: positions at the ends of its topics, and more.

        What the owners announce is stored before it is announced: so whatever the history lacks
        comes from the topics behind these ends. `former` is the copy that serves, if it can be
        read.
        """
        ...

    async def count_rooms(self) -> int:
        """Return how many rooms there are, for people."""
        ...

    async def history(self, copy: Database, former: Database | None) -> RebuildHistory[C]:
        """Return what is written into the copy before the topics are."""
        ...

    async def catch_up(self, copy: Database, catching_up: CatchingUp) -> None:
        """Read the topics into the copy, until it is as new as the one that serves."""
        ...
