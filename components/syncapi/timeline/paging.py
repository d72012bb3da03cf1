"""Pages of a room's events for one reader: those of a range that they see and want, in bounds."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import msgspec

from base.database import Connection, pace_of
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.events import select_backwards, select_forwards
from components.syncapi.timeline.erasure import with_erasures
from components.syncapi.timeline.matching import matches
from components.syncapi.timeline.visibility import Viewer
from matrix.filters import EventFilter

FROM_THE_START: Final = -(2**62)
"""Before the order of every event, backfilled ones included."""
TO_THE_END: Final = 2**62
"""After the order of every event."""
LEAST_AT_ONCE: Final = 20
"""Events that are read at first where some of them may not be wanted."""
_MOST_AT_ONCE: Final = 500
"""Events that are looked at without a pause."""


class _Placed(Protocol):
    """What has a place in the timeline."""

    @property
    def order(self) -> int: ...


P = TypeVar("P", bound=_Placed)


class Range(msgspec.Struct, frozen=True, gc=False):
    """The events of a room with `from_order` <= order < `to_order`, read in one direction."""

    room_id: str
    from_order: int
    to_order: int
    backwards: bool


class Page(msgspec.Struct, gc=False):
    """Events in the direction of reading; `more` when others follow from `place` on."""

    events: list[RoomEvent]
    more: bool
    place: int
    """Where the page ends: between its last event and the next one."""


def select_page(
    connection: Connection,
    place: Range,
    *,
    limit: int,
    event_filter: EventFilter,
    viewer: Viewer,
    max_scanned: int,
) -> Page:
    """Return the first events of the range, at most `limit`, that match and are seen.

    They are as the viewer sees them: those of erased users may be redacted. After `max_scanned`
    events it stops with what it has, and says that there may be more.
    """
    wants_all = event_filter.is_pass_all
    page = scan(
        connection,
        place,
        read=partial(_select, connection, place),
        event_if_wanted=lambda event: (
            event if matches(event_filter, event) and viewer.sees(event) else None
        ),
        limit=limit,
        at_first=limit + 1 if wants_all else max(limit + 1, LEAST_AT_ONCE),
        max_scanned=max_scanned,
    )
    page.events = with_erasures(connection, place.room_id, page.events, viewer)
    return page


def scan(
    connection: Connection,
    place: Range,
    *,
    read: Callable[[int, int, int], Sequence[P]],
    event_if_wanted: Callable[[P], RoomEvent | None],
    limit: int,
    at_first: int,
    max_scanned: int,
) -> Page:
    """Return the first events of the range that are wanted, at most `limit`.

    `read` returns what is first of two orders, at most so many: `at_first`, then ever more. After
    `max_scanned` of them it stops with what it has, and says that there may be more.
    """
    found: list[RoomEvent] = []
    start, end = place.from_order, place.to_order
    scanned = 0
    pace = pace_of(connection)
    chunk = at_first
    while True:
        pace.step(chunk)
        rows = read(start, end, chunk)
        for row in rows:
            event = event_if_wanted(row)
            if event is None:
                continue
            if len(found) == limit:
                return Page(found, more=True, place=_after(found, place))
            found.append(event)
        if len(rows) < chunk:
            return Page(found, more=False, place=_after(found, place))
        if place.backwards:
            reached = end = rows[-1].order
        else:
            reached = start = rows[-1].order + 1
        scanned += len(rows)
        if scanned >= max_scanned:
            return Page(found, more=True, place=reached)
        chunk = min(chunk * 2, max(_MOST_AT_ONCE, limit + 1), max_scanned)


def _select(
    connection: Connection, place: Range, from_order: int, to_order: int, limit: int
) -> list[RoomEvent]:
    select = select_backwards if place.backwards else select_forwards
    return select(connection, place.room_id, from_order, to_order, limit)


def _after(found: list[RoomEvent], place: Range) -> int:
    if place.backwards:
        return found[-1].order if found else place.to_order
    return found[-1].order + 1 if found else place.from_order
