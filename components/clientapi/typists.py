"""Who types where, as far as this process was told."""

from typing import Final

from cachetools import LRUCache

from base.clock import Clock
from matrix.identifiers import RoomID, UserID

_REMEMBERED_TYPISTS: Final = 10_000


class Typists:
    """A bounded memory; one who is forgotten is only taken for one who does not type."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: LRUCache[tuple[RoomID, UserID], float] = LRUCache(_REMEMBERED_TYPISTS)

    def note(self, room_id: RoomID, user_id: UserID, timeout_ms: int) -> None:
        """Remember that a user types for so long, or with 0 no longer."""
        key = (room_id, user_id)
        if timeout_ms > 0:
            self._until_s[key] = self._clock.monotonic_s() + timeout_ms / 1000
        else:
            self._until_s.pop(key, None)

    def types(self, room_id: RoomID, user_id: UserID) -> bool:
        """Return whether the user is known to type in the room. Costs less than a microsecond."""
        until_s = self._until_s.get((room_id, user_id))
        return until_s is not None and until_s > self._clock.monotonic_s()
