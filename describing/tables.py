"""What a component keeps: its tables, and what becomes of them when records or tables are lost."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from base.clock import Clock
from base.database import Database, Schema
from logs.announcing import AnnouncedTopic
from logs.log import Log
from logs.rebuilding import RebuildProgress, TableCopies

P = TypeVar("P")
S = TypeVar("S", bound=msgspec.Struct)


class Keeps(Enum):
    """How long what is in tables is of use, and where else it is.

    It decides what becomes of a consumer whose records were dropped before it processed them.
    """

    DURABLE = "durable"
    """Nothing else has it: what was dropped is lost, and `xylem skip-lost` goes on behind it."""
    DERIVED = "derived"
    """Others keep it for good: `xylem rebuild` makes it again."""
    MOMENTARY = "momentary"
    """It is true for a moment: what was dropped would change nothing, and is passed over."""


class KeptHistory(NamedTuple):
    """What the tables can tell again of what was announced, for those who are rebuilt from it."""

    protocol: Callable[..., Any]
    make: Callable[[Database, Any], Any]
    """Takes the component's database and section of the settings, returns what answers."""


def kept_history(protocol: Callable[..., P], make: Callable[[Database, Any], P]) -> KeptHistory:
    """Return the history with what makes it, which type checkers compare."""
    return KeptHistory(protocol, make)


class Rebuilding(Protocol):
    """What a rebuild stands on."""

    @property
    def log(self) -> Log:
        """Return the log."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...

    @property
    def register(self) -> Database:
        """Return where it is kept which copy serves."""
        ...

    @property
    def copies(self) -> TableCopies:
        """Return what opens and drops copies."""
        ...

    @property
    def is_alone(self) -> bool:
        """Return whether no process serves meanwhile."""
        ...

    def section(self, kind: type[S]) -> S:
        """Return the component's section of the settings."""
        ...

    def history(self, protocol: Callable[..., P]) -> P:
        """Return a history that the rebuild says that it reads."""
        ...

    def show(self, progress: RebuildProgress) -> None:
        """Tell how far it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """How derived tables are made again (`logs.rebuilding`): beside the copy that serves."""

    rebuilt_from: Sequence[Callable[..., Any]]
    """The histories that a rebuild reads, by Protocol."""
    perform: Callable[[Rebuilding], Awaitable[None]]
    """Makes a further copy and lets it serve. An interrupted run is gone on with.

    Raises `logs.rebuilding.RebuildRefused`, `DatabaseOutage`, `LogOutage`, `RecordsLost` and
    `SchemaTooNew`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The database of a component."""

    schema: Callable[[], Schema]
    """Imports and returns the tables; it has the component's name."""
    keeps: Keeps
    announces: AnnouncedTopic[Any] | None = None
    """Where these tables are written before the log; then each commit is durable."""
    histories: Sequence[KeptHistory] = ()
    rebuild: Rebuild | None = None
    """Of derived tables."""
