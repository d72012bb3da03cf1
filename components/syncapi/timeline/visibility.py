"""Who may see which event: the rules of room history visibility (client-server API)."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

import orjson

from components.syncapi.ignoring import NOBODY
from components.syncapi.room_event import RoomEvent

LoadHistory = Callable[[], Sequence[tuple[int, str]]]
"""Gives the orders of all changes of a membership and what it became, oldest first."""

_NEVER: Final = -(2**63)
_FAR: Final = 2**63


class Placed(Protocol):
    """An event with what decides whether somebody may see it."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def state_key(self) -> str | None:
        """Its state key."""

    @property
    def order(self) -> int:
        """Its place in the room's timeline."""

    @property
    def history_visibility(self) -> str:
        """`m.room.history_visibility` before the event."""

    @property
    def json(self) -> bytes:
        """Client form."""


class Viewer:
    """A user's memberships in one room over time, which decide what they see of it.

    The history is loaded when it decides: members see what was sent since they joined without it.
    """

    __slots__ = (
        "_ignored",
        "_joined_from",
        "_last_join",
        "_load",
        "_memberships",
        "_orders",
        "user_id",
    )

    def __init__(
        self,
        user_id: str,
        joined_from: int | None,
        load: LoadHistory,
        *,
        ignored: AbstractSet[str] = NOBODY,
    ) -> None:
        self.user_id: Final = user_id
        self._ignored: Final = ignored
        self._joined_from: Final = _FAR if joined_from is None else joined_from
        self._load: LoadHistory | None = load
        self._orders: list[int] = []
        self._memberships: list[str] = []
        self._last_join = _NEVER

    def _require_history(self) -> None:
        if self._load is None:
            return
        history = self._load()
        self._load = None
        self._orders = [order for order, _ in history]
        self._memberships = [membership for _, membership in history]
        self._last_join = max(
            (order for order, membership in history if membership == "join"), default=_NEVER
        )

    @property
    def ever_joined(self) -> bool:
        """Whether the user has been in the room at any time."""
        self._require_history()
        return self._last_join != _NEVER

    def joined_since(self, order: int) -> bool:
        """Whether the user joined at this place or after it; to be in the room is not to join."""
        self._require_history()
        return self._last_join >= order

    def joined_after(self, place: int) -> int | None:
        """Return where the user next became a member, at this place or after it."""
        self._require_history()
        for order, membership in zip(self._orders, self._memberships, strict=True):
            if order >= place and membership == "join":
                return order
        return None

    @property
    def left_at(self) -> int | None:
        """Where the user stopped being in the room; None for one who is in it or never was."""
        self._require_history()
        for order, membership in zip(self._orders, self._memberships, strict=True):
            if order > self._last_join and membership != "join":
                return order if self.ever_joined else None
        return None

    def membership_before(self, order: int) -> str:
        """Return the membership just before this place; `leave` before the first one."""
        if order > self._joined_from:
            return "join"
        self._require_history()
        return self._at(bisect_left(self._orders, order))

    def membership_after(self, order: int) -> str:
        """Return the membership just after this place."""
        if order >= self._joined_from:
            return "join"
        self._require_history()
        return self._at(bisect_right(self._orders, order))

    def _at(self, count: int) -> str:
        return self._memberships[count - 1] if count else "leave"

    def before(self, place: int) -> "Viewer":
        """Return the user as a viewer before this place, with what came after it undone."""
        self._require_history()
        count = bisect_left(self._orders, place)
        history = list(zip(self._orders[:count], self._memberships[:count], strict=True))
        return Viewer(self.user_id, None, lambda: history)

    def was_there(self, event: Placed) -> bool:
        """Whether the user was in the room when an event of its timeline came."""
        return event.order > self._joined_from or self.membership_before(event.order) == "join"

    def sees(self, event: RoomEvent) -> bool:
        """Whether the user may see an event of the timeline, and does not ignore its sender."""
        if self._ignored and event.state_key is None and event.sender in self._ignored:
            return False
        return self.may_see(event)

    def may_see(self, event: Placed) -> bool:
        """Whether the user may see an event of the timeline, whoever sent it."""
        if event.order > self._joined_from:
            return True
        if event.type == "m.room.member" and event.state_key == self.user_id:
            # Also those that the rules would hide: a client has to learn where its user stands.
            return True
        if self._allows(event.history_visibility, event.order):
            return True
        return event.type == "m.room.history_visibility" and self._allows(
            _visibility_after(event), event.order
        )

    @property
    def ignored(self) -> AbstractSet[str]:
        """The users whom the viewer ignores."""
        return self._ignored

    def sees_all_from(self, order: int, *, is_restricted: bool) -> bool:
        """Whether the user is a member who may see all events from this place on.

        `is_restricted` where some of them may be for those only who were there or invited.
        """
        return self._joined_from != _FAR and (order > self._joined_from or not is_restricted)

    def _allows(self, history_visibility: str, order: int) -> bool:
        if history_visibility == "world_readable":
            return True
        if history_visibility not in {"invited", "joined"} and self._joined_from != _FAR:
            # Anything that is not understood counts as `shared`, and the user joined later.
            return True
        membership = self.membership_before(order)
        if membership == "join":
            return True
        if history_visibility == "invited":
            return membership == "invite"
        return history_visibility != "joined" and self._last_join > order


def _visibility_after(event: Placed) -> str:
    value = orjson.loads(event.json)["content"].get("history_visibility")
    return value if isinstance(value, str) else "shared"
