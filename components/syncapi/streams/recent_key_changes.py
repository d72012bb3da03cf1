"""Whose keys changed lately, and the counts of devices that sync: what memory knows of keys."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from cachetools import LRUCache

from components.syncapi.store.key_changes import KeyChange
from components.syncapi.store.key_counts import KeyCounts


class RecentKeyChanges:
    """The newest changes of keys, per partition, back to a floor."""

    def __init__(self, floors: list[int], most: int) -> None:
        self._floors: Final = floors
        self._most: Final = most
        self._changes: Final[list[deque[KeyChange]]] = [deque() for _ in floors]
        self._arrivals: Final[deque[int]] = deque()
        """Their partitions, in the order in which they came."""

    def add(self, change: KeyChange) -> None:
        """Put a change at the end of its partition."""
        self._changes[change.partition].append(change)
        self._arrivals.append(change.partition)
        if len(self._arrivals) > self._most:
            partition = self._arrivals.popleft()
            dropped = self._changes[partition].popleft()
            self._floors[partition] = dropped.stream_order + 1

    def reaches(self, starts: Sequence[int]) -> bool:
        """Whether everything from this position on is in memory."""
        return all(floor <= start for floor, start in zip(self._floors, starts, strict=True))

    def between(
        self, reader: str, starts: Sequence[int], ends: Sequence[int]
    ) -> tuple[set[str], set[str]]:
        """Return whose keys changed: those that all are told of, those that the reader is."""
        of_all: set[str] = set()
        of_reader: set[str] = set()
        for changes, start, end in zip(self._changes, starts, ends, strict=True):
            for change in reversed(changes):
                if change.stream_order < start:
                    break
                if change.stream_order >= end:
                    continue
                if not change.told_to:
                    of_all.add(change.user_id)
                elif change.told_to == reader:
                    of_reader.add(change.user_id)
        return of_all, of_reader


class KnownKeyCounts:
    """Counts of the devices that synced last, or whose counts changed last."""

    def __init__(self, most: int) -> None:
        self._known: Final[LRUCache[tuple[str, str], KeyCounts]] = LRUCache(most)

    def get(self, user_id: str, device_id: str) -> KeyCounts | None:
        """Return the counts of a device; None where only the database knows."""
        return self._known.get((user_id, device_id))

    def note(self, counts: Iterable[KeyCounts]) -> None:
        """Keep counts, unless newer ones of the device are known."""
        for one in counts:
            key = one.user_id, one.device_id
            known = self._known.get(key)
            if known is None or known.stream_order <= one.stream_order:
                self._known[key] = one
