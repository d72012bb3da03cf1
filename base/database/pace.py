"""How work in a transaction lets others have the event loop.

On PostgreSQL work holds the event loop between its statements, and on SQLite from its beginning to
its end unless it is done in a thread. Work that may become long calls `step` of its pace as it goes
on.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.util import await_only

from base.slices import Slices

T = TypeVar("T")

_PACE: Final = "xylem_pace"
_LIGHT_ROWS: Final = 1000
"""How many rows are looked at on the event loop, which takes some milliseconds."""


class TooLong(Exception):
    """Work that was begun on the event loop has to be done elsewhere, from its beginning."""


class Pace(Protocol):
    """The pace of the work in one transaction."""

    def step(self, rows: int = 1) -> None:
        """Say that so many rows are looked at next."""
        ...


class _Free:
    """The pace of work that holds up nobody, or has to be done at once."""

    def step(self, rows: int = 1) -> None:
        """Go on."""


class LightPace:
    """The pace of work on the event loop that cannot pause: it ends where it becomes long."""

    def __init__(self) -> None:
        self._left = _LIGHT_ROWS

    def step(self, rows: int = 1) -> None:
        """Go on, or raise `TooLong`."""
        self._left -= rows
        if self._left < 0:
            raise TooLong


class SlicedPace:
    """The pace of work in a greenlet on the event loop: it pauses where others wait."""

    def __init__(self, slices: Slices) -> None:
        self._slices: Final = slices

    def step(self, rows: int = 1) -> None:
        """Go on, after others have had their turn."""
        del rows  # Time counts.
        if not self._slices.has_time():
            await_only(self._slices.next())


_FREE: Final = _Free()


def pace_of(connection: Connection) -> Pace:
    """Return the pace of the work that is done over this connection."""
    pace: Pace = connection.info.get(_PACE, _FREE)
    return pace


def paced(connection: Connection, rows: Iterable[T]) -> Iterator[T]:
    """Give the rows, each as a step of the work that is done over this connection."""
    step = pace_of(connection).step
    for row in rows:
        step()
        yield row


def at_pace(connection: Connection, pace: Pace, work: Callable[[Connection], T]) -> T:
    """Return what the work returns, done at a pace."""
    connection.info[_PACE] = pace
    try:
        return work(connection)
    finally:
        # A connection that was lost has forgotten it, and would not say so but raise.
        if not connection.invalidated:
            del connection.info[_PACE]
