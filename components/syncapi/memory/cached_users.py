"""Users who sync, kept in memory: their memberships, and which of them may wait for a room."""

from collections.abc import Callable, Container, Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from cachetools import Cache, LRUCache

from components.syncapi.changes import Membership, MembershipChange


class CachedUser:
    """The memberships of a user who syncs, whom they ignore, when their account data changed."""

    __slots__ = ("account_data_order", "asleep", "ignored", "rooms")

    def __init__(
        self, rooms: dict[str, Membership], account_data_order: int, ignored: AbstractSet[str]
    ) -> None:
        self.rooms: Final = rooms
        self.account_data_order = account_data_order
        self.ignored = ignored
        self.asleep: Final[list[str]] = []
        """Rooms where the user was found not to wait, and is not looked for any more."""


class CachedUsers(LRUCache[str, CachedUser]):
    """Users who sync, and which of them may wait for a room; the idle ones make room.

    Who is found not to wait is not looked for again before they do: what an event of a big room
    costs depends on those who wait, not on those who are joined.
    """

    def __init__(self, max_memberships: int, dropped: Callable[[str], None]) -> None:
        largest = max(max_memberships // 4, 1)
        super().__init__(max_memberships, lambda user: min(len(user.rooms) + 1, largest))
        self._awake: Final[dict[str, set[str]]] = {}
        self._dropped: Final = dropped

    def waiting_for(self, room_id: str, waiting: Container[str]) -> Iterable[str]:
        """Return those who are joined to the room and among the waiting."""
        awake = self._awake.get(room_id)
        if awake is None:
            return _NOBODY
        found = {user_id for user_id in awake if user_id in waiting}
        if len(found) < len(awake):
            for user_id in awake - found:
                self.peek(user_id).asleep.append(room_id)
            if found:
                self._awake[room_id] = found
            else:
                del self._awake[room_id]
        return found

    def mark_active(self, user_id: str) -> bool:
        """Let a user who is about to wait be looked for; false for one who is not here."""
        if user_id not in self:
            return False
        user = self.peek(user_id)
        if user.asleep:
            for room_id in user.asleep:
                now = user.rooms.get(room_id)
                if now is not None and now.membership == "join":
                    self._awake.setdefault(room_id, set()).add(user_id)
            user.asleep.clear()
        return True

    def peek(self, user_id: str) -> CachedUser:
        """Return a user who is here, without counting it as use."""
        return Cache.__getitem__(self, user_id)

    def remember(self, user_id: str, user: CachedUser) -> None:
        """Keep a user who was not here."""
        self[user_id] = user
        for room_id, now in user.rooms.items():
            if now.membership == "join":
                self._awake.setdefault(room_id, set()).add(user_id)

    def popitem(self) -> tuple[str, CachedUser]:
        """Drop the user who has not synced for the longest."""
        user_id, user = super().popitem()
        for room_id, now in user.rooms.items():
            if now.membership == "join":
                self._part(room_id, user_id)
        self._dropped(user_id)
        return user_id, user

    def _part(self, room_id: str, user_id: str) -> None:
        awake = self._awake.get(room_id)
        if awake is not None:
            awake.discard(user_id)
            if not awake:
                del self._awake[room_id]

    def move(self, change: MembershipChange) -> None:
        """Apply a change of membership, if its user is here."""
        if change.user_id not in self or change.membership is None:
            return
        user = self.peek(change.user_id)
        before = user.rooms.get(change.room_id)
        order = change.stream_order
        if before is not None and before.membership == change.membership:
            order = before.stream_order
        user.rooms[change.room_id] = Membership(change.membership, order, change.event_id)
        if change.membership == "join":
            self._awake.setdefault(change.room_id, set()).add(change.user_id)
        else:
            self._part(change.room_id, change.user_id)


_NOBODY: Final[Iterable[str]] = ()
