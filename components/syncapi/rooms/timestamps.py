"""The event of a room that is closest to a timestamp, among those that a user may see."""

from typing import Final

import msgspec

from base.database import Connection, pace_of
from components.syncapi.store.timestamps import select_around
from components.syncapi.timeline.access import require_access
from matrix.errors import NotFound

_CHUNK: Final = 50


class TimestampQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /timestamp_to_event."""

    room_id: str
    timestamp_ms: int
    backwards: bool
    max_scanned: int


def read_closest_event(
    connection: Connection, *, query: TimestampQuery, user_id: str
) -> dict[str, str | int]:
    """Return ID and time of the event. Raises `Forbidden`, and `NotFound` where there is none."""
    access = require_access(connection, user_id, query.room_id)
    reached: tuple[int, int] | None = None
    pace = pace_of(connection)
    for _ in range(0, query.max_scanned, _CHUNK):
        pace.step(_CHUNK)
        events = select_around(
            connection,
            query.room_id,
            query.timestamp_ms,
            backwards=query.backwards,
            after=reached,
            limit=_CHUNK,
        )
        for event in events:
            if event.order < access.end and access.viewer.sees(event):
                return {"event_id": event.event_id, "origin_server_ts": event.origin_server_ts}
        if len(events) < _CHUNK:
            break
        reached = (events[-1].origin_server_ts, events[-1].order)
    direction = "backward" if query.backwards else "forward"
    raise NotFound(f"Unable to find event from {query.timestamp_ms} in {direction} direction.")
