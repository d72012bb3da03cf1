"""The summary of a room: how many members it has, and after whom it can be named."""

from typing import Final

import msgspec
import orjson

_HEROES: Final = 5
MEMBERS_NAMED: Final = _HEROES + 1
"""A reader is not one of their own heroes."""
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


def render_summary(summary: Summary, user_id: str) -> bytes:
    """Return the member `summary` of a room's part of an answer."""
    counts = {
        "m.joined_member_count": summary.joined,
        "m.invited_member_count": summary.invited,
    }
    heroes = {} if summary.first is None else {"m.heroes": summary.heroes(user_id)}
    return b'"summary":' + orjson.dumps(heroes | counts)
