"""Keys of room state, and the maps from them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from matrix.identifiers import EventID

StateKey: TypeAlias = tuple[str, str]
"""Event type and state key."""
StateMap: TypeAlias = Mapping[StateKey, EventID]
"""The state of a room at one point: which event holds each key."""

CREATE: Final[StateKey] = ("m.room.create", "")
POWER_LEVELS: Final[StateKey] = ("m.room.power_levels", "")
JOIN_RULES: Final[StateKey] = ("m.room.join_rules", "")


def member_key(user_id: str) -> StateKey:
    """Return the key of this user's membership."""
    return ("m.room.member", user_id)
