"""The summary of a room: how many members it has, and after whom it can be named."""

from typing import Final

import msgspec
import orjson

from components.syncapi.store.membership import select_counts, select_first_members
from components.syncapi.store.tables import Connection

_HEROES: Final = 5


class Summary(msgspec.Struct, gc=False):
    """How many members a room has, and who has been in it for the longest."""

    joined: int
    invited: int
    first: list[str]
    """One more than an answer names: its reader is left out."""

    def heroes(self, user_id: str) -> list[str]:
        """Return the heroes as this user sees them."""
        return [hero for hero in self.first if hero != user_id][:_HEROES]


def select_summary(connection: Connection, room_id: str) -> Summary:
    """Return the summary of a room by its newest state."""
    counts = select_counts(connection, room_id)
    joined, invited = counts.get("join", 0), counts.get("invite", 0)
    present = ("join", "invite") if joined + invited > 1 else ("leave", "ban")
    first = select_first_members(connection, room_id, present, _HEROES + 1)
    return Summary(joined, invited, first)


def render_summary(summary: Summary, user_id: str) -> bytes:
    """Return the member `summary` of a room's part of an answer."""
    return b'"summary":' + orjson.dumps(
        {
            "m.heroes": summary.heroes(user_id),
            "m.joined_member_count": summary.joined,
            "m.invited_member_count": summary.invited,
        }
    )
