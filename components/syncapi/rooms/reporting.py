"""What of a room is told to the administrators when somebody reports it, or an event in it."""

from typing import Any

import msgspec

from base.database import Connection
from components.syncapi.rooms.reading import read_event
from components.syncapi.spaces.previews import Preview, select_previews
from components.syncapi.timeline.access import require_access
from components.syncapi.timeline.rendering import Reader
from internalapi.userapi import NewReport
from matrix.canonical import decode_json
from matrix.errors import Forbidden, NotFound
from matrix.identifiers import EventID, RoomID, UserID


def read_room_report(
    connection: Connection, *, room_id: RoomID, user_id: UserID, reason: str
) -> NewReport:
    """Return the report of a room by anybody. Raises `NotFound` for a room that is not known."""
    preview = select_previews(connection, [room_id]).get(room_id)
    if preview is None:
        raise NotFound("The room was not found.")
    report = NewReport("room", user_id, reason, room_id=room_id)
    return _named(report, preview)


def read_event_report(
    connection: Connection, *, room_id: RoomID, event_id: EventID, reader: Reader, reason: str
) -> NewReport:
    """Return the report of an event by one who is in the room and sees it. Raises `NotFound`."""
    try:
        access = require_access(connection, reader.user_id, room_id)
    except Forbidden as error:
        raise _not_found() from error
    if not access.is_joined:
        raise _not_found()
    event_json = read_event(connection, room_id=room_id, event_id=event_id, reader=reader)
    event: dict[str, Any] = decode_json(event_json)
    report = NewReport(
        "event",
        UserID(reader.user_id),
        reason,
        room_id=room_id,
        event_id=event_id,
        sender=UserID(event["sender"]),
        event_json=event_json,
    )
    return _named(report, select_previews(connection, [room_id]).get(room_id))


def _named(report: NewReport, preview: Preview | None) -> NewReport:
    if preview is None:
        return report
    return msgspec.structs.replace(
        report,
        room_name=preview.text("m.room.name", "name"),
        canonical_alias=preview.text("m.room.canonical_alias", "alias"),
    )


def _not_found() -> NotFound:
    return NotFound("The event was not found or you are not joined to the room.")
