"""The unread counts of users who sync, kept in memory and moved on by the log."""

from collections.abc import Callable
from itertools import islice
from typing import Final

from cachetools import LRUCache

from components.syncapi.memory.recent import RecentRoom
from components.syncapi.receipt import FULLY_READ, Receipt
from components.syncapi.unread_count import UnreadCount

_MOST_SOUGHT: Final = 50
"""Newest events of a room among which a receipt's event is looked for in memory."""


class CountUnderWay:
    """Unread counts of a user that are being made; rooms where a receipt moved meanwhile."""

    __slots__ = ("moved", "user_id")

    def __init__(self, user_id: str) -> None:
        """Begin, before the database is read."""
        self.user_id: Final = user_id
        self.moved: Final[set[str]] = set()


class KnownUnreadCounts:
    """By user and room what was counted; what has not been asked for the longest makes room."""

    def __init__(self, most: int) -> None:
        """Keep so many unread counts and counted notifications, together."""
        self._known: Final[LRUCache[tuple[str, str], UnreadCount]] = LRUCache(most, _size)
        self._readings: Final[set[CountUnderWay]] = set()

    def get(self, user_id: str, room_id: str) -> UnreadCount | None:
        """Return what was counted for a user in a room."""
        return self._known.get((user_id, room_id))

    def begin(self, user_id: str) -> CountUnderWay:
        """Note that a user's events are being counted."""
        reading = CountUnderWay(user_id)
        self._readings.add(reading)
        return reading

    def end(self, reading: CountUnderWay) -> None:
        """Note that counting is over."""
        self._readings.discard(reading)

    def put(self, user_id: str, room_id: str, unread_count: UnreadCount) -> None:
        """Keep an unread count, or note that one has grown."""
        key = user_id, room_id
        if _size(unread_count) <= self._known.maxsize:
            self._known[key] = unread_count
        else:
            self._known.pop(key, None)

    def move_receipt(self, receipt: Receipt, recent: Callable[[str], RecentRoom | None]) -> None:
        """Let a receipt count at once; `recent` finds the newest events of a room."""
        if receipt.receipt_type == FULLY_READ:
            return
        for reading in self._readings:
            if reading.user_id == receipt.user_id:
                reading.moved.add(receipt.room_id)
        key = receipt.user_id, receipt.room_id
        unread_count = self._known.get(key)
        if unread_count is None:
            return
        room = recent(receipt.room_id)
        order = None if room is None else _order_of(receipt.event_id, room)
        if order is None:
            del self._known[key]
        else:
            unread_count.mark_read(receipt.thread_id, order)
            if unread_count.is_void:
                del self._known[key]


def _order_of(event_id: str, room: RecentRoom) -> int | None:
    for event in islice(reversed(room.events), _MOST_SOUGHT):
        if event.event_id == event_id:
            return event.stream_order
    return None


def _size(unread_count: UnreadCount) -> int:
    return 1 + len(unread_count)
