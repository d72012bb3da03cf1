"""What readers see of users who had themselves erased (client-server API, `deactivateAccount`).

Who saw an event before its sender was erased goes on seeing it; all others see it redacted.
"""

from collections.abc import Sequence

import msgspec
import orjson

from components.syncapi.room_event import RoomEvent
from components.syncapi.rooms.rendering import content_of
from components.syncapi.rooms.visibility import Viewer
from components.syncapi.store.erasures import select_erasures
from components.syncapi.store.state import select_entry_now
from components.syncapi.store.tables import Connection
from matrix.redaction import redact_content
from matrix.room_versions import RoomVersion, room_version


def with_erasures(
    connection: Connection, room_id: str, events: Sequence[RoomEvent], viewer: Viewer
) -> list[RoomEvent]:
    """Return events of one room as this viewer sees them, those of erased users redacted."""
    missed = {event.sender for event in events if not viewer.was_there(event)}
    if not missed:
        return list(events)
    erased = select_erasures(connection, room_id, missed)
    if not erased:
        return list(events)
    version = _version_of(connection, room_id)
    before = {user_id: viewer.before(place) for user_id, place in erased.items()}
    return [
        event
        if event.sender not in erased
        or viewer.was_there(event)
        or (before[event.sender].ever_joined and before[event.sender].sees(event))
        else _redacted(event, version)
        for event in events
    ]


def as_redacted(connection: Connection, event: RoomEvent) -> RoomEvent:
    """Return an event as a redaction would leave it, for readers who shall see no more of it."""
    return _redacted(event, _version_of(connection, event.room_id))


def _version_of(connection: Connection, room_id: str) -> RoomVersion:
    create = select_entry_now(connection, room_id, "m.room.create", "")
    return room_version("1" if create is None else content_of(create).get("room_version", "1"))


def _redacted(event: RoomEvent, version: RoomVersion) -> RoomEvent:
    form = orjson.loads(event.json)
    form["content"] = redact_content(event.type, form["content"], version)
    if not version.redacts_in_content:
        form.pop("redacts", None)
    return msgspec.structs.replace(event, json=orjson.dumps(form), unsigned=b"")
