"""Pages of a room's events for one reader: those of a range that they see and want, in bounds."""

from typing import Final

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
_LEAST_CHUNK: Final = 20
MOST_AT_ONCE: Final = 500
"""Events that are looked at without a pause."""


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
    page = _scan(connection, place, limit, event_filter, viewer, max_scanned)
    page.events = with_erasures(connection, place.room_id, page.events, viewer)
    return page


def _scan(  # noqa: PLR0917 (of one caller)
    connection: Connection,
    place: Range,
    limit: int,
    event_filter: EventFilter,
    viewer: Viewer,
    max_scanned: int,
) -> Page:
    found: list[RoomEvent] = []
    reached = place.to_order if place.backwards else place.from_order
    scanned = 0
    pace = pace_of(connection)
    chunk = limit + 1 if event_filter.is_pass_all else max(limit + 1, _LEAST_CHUNK)
    while True:
        pace.step(chunk)
        rows = _select(connection, place, reached, chunk)
        for event in rows:
            if not (matches(event_filter, event) and viewer.sees(event)):
                continue
            if len(found) == limit:
                return Page(found, more=True, place=_after(found, place))
            found.append(event)
        if len(rows) < chunk:
            return Page(found, more=False, place=_after(found, place))
        reached = rows[-1].order if place.backwards else rows[-1].order + 1
        scanned += len(rows)
        if scanned >= max_scanned:
            return Page(found, more=True, place=reached)
        chunk = min(chunk * 2, max(MOST_AT_ONCE, limit + 1), max_scanned)


def _select(connection: Connection, place: Range, reached: int, limit: int) -> list[RoomEvent]:
    if place.backwards:
        return select_backwards(connection, place.room_id, place.from_order, reached, limit)
    return select_forwards(connection, place.room_id, reached, place.to_order, limit)


def _after(found: list[RoomEvent], place: Range) -> int:
    if place.backwards:
        return found[-1].order if found else place.to_order
    return found[-1].order + 1 if found else place.from_order
