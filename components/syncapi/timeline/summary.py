"""Makes the summary of a room from its newest state."""

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.room_summary import MEMBERS_NAMED, Summary
from components.syncapi.store.membership import select_counts, select_first_members
from components.syncapi.store.state import NAMING, select_naming_now
from components.syncapi.timeline.rendering import content_of


def select_summary(connection: Connection, room_id: str) -> Summary:
    """Return the summary of a room by its newest state."""
    counts = select_counts(connection, room_id)
    joined, invited = counts.get("join", 0), counts.get("invite", 0)
    if any(map(_names_room, select_naming_now(connection, room_id))):
        return Summary(joined, invited, None)
    present = ("join", "invite") if joined + invited > 1 else ("leave", "ban")
    first = select_first_members(connection, room_id, present, MEMBERS_NAMED)
    return Summary(joined, invited, first)


def _names_room(event: RoomEvent) -> bool:
    name = content_of(event).get(NAMING[event.type])
    return isinstance(name, str) and bool(name)
