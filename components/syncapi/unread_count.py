"""The unread notifications of one user in one room, as far as its events were looked at."""

from collections import deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import msgspec
import orjson

from matrix.push_rules.in_room import RoomRules

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


class Older(msgspec.Struct, gc=False):
    """Notifications of one thread that are not known one by one."""

    total: int
    highlights: int
    first: int
    """No notification among them has a lower order."""
    last: int
    """And none a higher one."""


class _Notification(NamedTuple):
    place: int
    """Its number among the events that were looked at."""
    order: int
    thread: str
    highlight: bool


class UnreadCount:
    """Counts by thread, brought forward event by event and receipt by receipt.

    It is what counting all over would give. The newest notifications are known one by one, those
    before them as numbers. Where the rules look into events, only the newest events count.
    """

    __slots__ = (
        "_found",
        "_highlights",
        "_looked_at",
        "_older",
        "_read",
        "_totals",
        "_window",
        "basis",
        "changed_at",
        "changes",
        "is_void",
        "name",
        "upto",
    )

    def __init__(
        self, basis: Basis, name: str | None, read_upto: Mapping[str, int], *, window: int
    ) -> None:
        """Begin with nothing; `read_upto` has the order of receipts by thread, empty for all.

        So many as `window` notifications are known one by one, or events looked at.
        """
        self.basis: Final = basis
        self.is_void = False
        """Whether something was read that is not known one by one: it has to be counted anew."""
        self._window: Final = window
        self._older: Final[dict[str, Older]] = {}
        self.name: Final = name
        """The user's display name in the room, where the rules ask for it."""
        self.upto = basis.joined_at
        """Events before this order were looked at."""
        self.changes = 0
        """Grows whenever the counts may have become others."""
        self.changed_at = self.upto
        """No event after this order has changed the counts."""
        self._read: Final = dict(read_upto)
        self._found: deque[_Notification] = deque()
        self._looked_at = 0
        self._totals: Final[dict[str, int]] = {}
        self._highlights: Final[dict[str, int]] = {}

    def __len__(self) -> int:
        """Return how much is kept, as a size in memory."""
        return len(self._found) + len(self._older)

    @property
    def looked_at(self) -> int:
        """How many events were looked at that may notify."""
        return self._looked_at

    def is_read(self, thread: str, order: int) -> bool:
        """Whether an event was read, by a receipt or by what the user has written since."""
        return order <= self.read_upto(thread)

    def read_upto(self, thread: str) -> int:
        """Return the order up to which a thread was read; of all threads without one."""
        begun, read = self.basis.joined_at, self._read
        return max(begun, read.get("", begun), read.get(thread, begun))

    def pass_by(self) -> None:
        """Look at an event that does not count."""
        self._looked_at += 1
        self._leave_window()

    def add(self, thread: str, order: int, *, highlight: bool) -> None:
        """Look at an event that notifies."""
        self._looked_at += 1
        self.changes += 1
        self._found.append(_Notification(self._looked_at, order, thread, highlight))
        self._totals[thread] = self._totals.get(thread, 0) + 1
        if highlight:
            self._highlights[thread] = self._highlights.get(thread, 0) + 1
        self._leave_window()

    def add_older(self, thread: str, older: Older) -> None:
        """Add notifications of a thread that are before all that are looked at."""
        self._older[thread] = older
        self._count()

    def mark_read(self, thread: str, order: int) -> None:
        """Let everything up to an event of a thread be read; of all threads without one."""
        known = self._read.get(thread)
        if known is not None and known >= order:
            return
        self._read[thread] = order
        is_changed = self._read_older(thread, order)
        left = deque(
            one for one in self._found if one.order > order or (thread and one.thread != thread)
        )
        if is_changed or len(left) < len(self._found):
            self._found = left
            self._count()

    def _read_older(self, thread: str, order: int) -> bool:
        is_changed = False
        for one in [thread] if thread else list(self._older):
            older = self._older.get(one)
            if older is None or order < older.first:
                continue
            if order < older.last:
                self.is_void = True
            else:
                del self._older[one]
                is_changed = True
        return is_changed

    def _count(self) -> None:
        self.changes += 1
        self._totals.clear()
        self._highlights.clear()
        for thread, older in self._older.items():
            self._totals[thread] = older.total
            self._highlights[thread] = older.highlights
        for one in self._found:
            self._totals[one.thread] = self._totals.get(one.thread, 0) + 1
            if one.highlight:
                self._highlights[one.thread] = self._highlights.get(one.thread, 0) + 1

    def _leave_window(self) -> None:
        found = self._found
        if self.basis.rules.is_by_class:
            while len(found) > self._window:
                self._fold(found.popleft())
            return
        last = self._looked_at - self._window
        while found and found[0].place <= last:
            gone = found.popleft()
            self.changes += 1
            self._totals[gone.thread] -= 1
            if gone.highlight:
                self._highlights[gone.thread] -= 1

    def _fold(self, one: _Notification) -> None:
        older = self._older.get(one.thread)
        if older is None:
            self._older[one.thread] = Older(1, int(one.highlight), one.order, one.order)
        else:
            older.total += 1
            older.highlights += one.highlight
            older.last = one.order

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
