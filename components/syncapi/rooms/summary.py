"""The summary of a room: how many members it has, and after whom it can be named."""

from typing import Final

import msgspec
import orjson

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.rooms.rendering import content_of
from components.syncapi.store.membership import select_counts, select_first_members
from components.syncapi.store.state import NAMING, select_naming_now

_HEROES: Final = 5
_NOBODY: Final[list[str]] = []


class Summary(msgspec.Struct, gc=False):
    """How many members a room has, and who has been in it for the longest."""

    joined: int
    invited: int
    first: list[str] | None
    """One more than an answer names: its reader is left out. None where the room has a name."""

    def heroes(self, user_id: str) -> list[str]:
        """Return the heroes as this user sees them; nobody where the room has a name."""
        first = _NOBODY if self.first is None else self.first
        return [hero for hero in first if hero != user_id][:_HEROES]


def select_summary(connection: Connection, room_id: str) -> Summary:
    """Return the summary of a room by its newest state."""
    counts = select_counts(connection, room_id)
    joined, invited = counts.get("join", 0), counts.get("invite", 0)
    if any(map(_names_room, select_naming_now(connection, room_id))):
        return Summary(joined, invited, None)
    present = ("join", "invite") if joined + invited > 1 else ("leave", "ban")
    first = select_first_members(connection, room_id, present, _HEROES + 1)
    return Summary(joined, invited, first)


def _names_room(event: RoomEvent) -> bool:
    name = content_of(event).get(NAMING[event.type])
    return isinstance(name, str) and bool(name)


def render_summary(summary: Summary, user_id: str) -> bytes:
    """Return the member `summary` of a room's part of an answer."""
    counts = {
        "m.joined_member_count": summary.joined,
        "m.invited_member_count": summary.invited,
    }
    heroes = {} if summary.first is None else {"m.heroes": summary.heroes(user_id)}
    return b'"summary":' + orjson.dumps(heroes | counts)
