"""The state of a room as the rules read it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from matrix.events import Event
from matrix.power_levels import PowerLevels, power_levels_of
from matrix.state_keys import JOIN_RULES, POWER_LEVELS, StateKey

Lookup: TypeAlias = Callable[[StateKey], Event | None]


class AuthState:
    """What memberships, join rule and power levels hold when an event is checked."""

    __slots__ = ("create", "lookup", "power_levels")

    def __init__(self, lookup: Lookup, create: Event) -> None:
        self.lookup = lookup
        self.create = create
        self.power_levels: PowerLevels = power_levels_of(lookup(POWER_LEVELS), create)

    def membership(self, user_id: str) -> Any:
        """Return the user's membership, `None` if there is none."""
        event = self.lookup(("m.room.member", user_id))
        return None if event is None else event.content.get("membership")

    def join_rule(self) -> Any:
        """Return the join rule; a room without one takes invited users only."""
        event = self.lookup(JOIN_RULES)
        return "invite" if event is None else event.content.get("join_rule")
