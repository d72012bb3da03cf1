"""The unread notifications of one user in one room, as far as its events were looked at."""

from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import orjson

from matrix.push_rules.in_room import RoomRules

WINDOW: Final = 500
"""Of so many newest events of a room that may notify those count that do."""
MAIN: Final = "main"
"""The thread ID of what is in no thread."""

_NAME: Final = b'"unread_notifications"'
_NOTHING: Final = b'"unread_notifications":{"highlight_count":0,"notification_count":0}'


class Basis(NamedTuple):
    """What notifications are counted by; with another one they are counted anew."""

    rules: RoomRules
    ignored: AbstractSet[str]
    joined_at: int
    """Where the user's membership began."""
    member_event_id: str
    """It has their display name."""


class _Notification(NamedTuple):
    place: int
    """Its number among the events that were looked at."""
    order: int
    thread: str
    highlight: bool


class Tally:
    """Counts by thread, brought forward event by event and receipt by receipt.

    It is what counting all over would give: the newest `WINDOW` events count, however many of
    them were looked at one by one.
    """

    __slots__ = ("_found", "_highlights", "_looked_at", "_read", "_totals", "basis", "name", "upto")

    def __init__(self, basis: Basis, name: str | None, read_upto: Mapping[str, int]) -> None:
        """Begin with nothing; `read_upto` has the order of receipts by thread, empty for all."""
        self.basis: Final = basis
        self.name: Final = name
        """The user's display name in the room, where the rules ask for it."""
        self.upto = basis.joined_at
        """Events before this order were looked at."""
        self._read: Final = dict(read_upto)
        self._found: deque[_Notification] = deque()
        self._looked_at = 0
        self._totals: Final[dict[str, int]] = {}
        self._highlights: Final[dict[str, int]] = {}

    def __len__(self) -> int:
        """Return how much is kept, as a size in memory."""
        return len(self._found)

    @property
    def looked_at(self) -> int:
        """How many events were looked at that may notify."""
        return self._looked_at

    def is_read(self, thread: str, order: int) -> bool:
        """Whether an event was read, by a receipt or by what the user has written since."""
        if order <= self.basis.joined_at:
            return True
        everywhere, here = self._read.get(""), self._read.get(thread)
        return (everywhere is not None and order <= everywhere) or (
            here is not None and order <= here
        )

    def pass_by(self) -> None:
        """Look at an event that does not count."""
        self._looked_at += 1
        self._leave_window()

    def add(self, thread: str, order: int, *, highlight: bool) -> None:
        """Look at an event that notifies."""
        self._looked_at += 1
        self._found.append(_Notification(self._looked_at, order, thread, highlight))
        self._totals[thread] = self._totals.get(thread, 0) + 1
        if highlight:
            self._highlights[thread] = self._highlights.get(thread, 0) + 1
        self._leave_window()

    def mark_read(self, thread: str, order: int) -> None:
        """Let everything up to an event of a thread be read; of all threads without one."""
        known = self._read.get(thread)
        if known is not None and known >= order:
            return
        self._read[thread] = order
        left = deque(
            one for one in self._found if one.order > order or (thread and one.thread != thread)
        )
        if len(left) < len(self._found):
            self._found = left
            self._totals.clear()
            self._highlights.clear()
            for one in left:
                self._totals[one.thread] = self._totals.get(one.thread, 0) + 1
                if one.highlight:
                    self._highlights[one.thread] = self._highlights.get(one.thread, 0) + 1

    def _leave_window(self) -> None:
        found, last = self._found, self._looked_at - WINDOW
        while found and found[0].place <= last:
            gone = found.popleft()
            self._totals[gone.thread] -= 1
            if gone.highlight:
                self._highlights[gone.thread] -= 1

    def render(self, *, by_thread: bool) -> bytes:
        """Return the members of a room's part of an answer that tell the counts."""
        totals, highlights = self._totals, self._highlights
        if not totals:
            return _NOTHING
        if not by_thread:
            return _counts(_NAME, sum(totals.values()), sum(highlights.values()))
        main = _counts(_NAME, totals.get(MAIN, 0), highlights.get(MAIN, 0))
        threads = b",".join(
            [
                _counts(orjson.dumps(thread), total, highlights.get(thread, 0))
                for thread, total in totals.items()
                if thread != MAIN and total
            ]
        )
        return b'%b,"unread_thread_notifications":{%b}' % (main, threads) if threads else main


def _counts(name: bytes, total: int, highlights: int) -> bytes:
    return b'%b:{"highlight_count":%d,"notification_count":%d}' % (name, highlights, total)
