"""Which of what was committed memory has to learn next, whichever process committed it."""

from collections.abc import Callable
from typing import Final

from logs.following.progress import TopicProgress


class Gate:
    """Lets memory learn each partition of a topic in its order, every offset once.

    What this process commits is learned at the commit if it follows on what memory knows. After a
    partition has changed hands something may lie between: then the follower brings all of it, up
    to where the commits of this process follow on.
    """

    def __init__(self, progress: TopicProgress, owned_at: Callable[[int], int | None]) -> None:
        self.progress: Final = progress
        self._owned_at: Final = owned_at
        self._joined: Final[set[int]] = set()
        """Partitions owned here whose next commit follows on what memory knows."""

    def begin(self, partition: int) -> None:
        """Note that this process owns the partition again."""
        self._joined.discard(partition)

    def start_of(self, partition: int, first_offset: int) -> int:
        """Return where a batch that is being processed begins, given its first message."""
        owned_at = self._owned_at(partition)
        # Records before the message that needed no processing belong to the batch.
        return first_offset if owned_at is None else min(owned_at, first_offset)

    def admits(self, partition: int, start: int) -> bool:
        """Whether memory may learn the batch that was committed here and begins at this offset."""
        if partition not in self._joined:
            if start > self.progress.at(partition):
                return False
            self._joined.add(partition)
        return True

    def is_followed(self, partition: int) -> bool:
        """Whether memory hears of this partition through the follower only."""
        owned_at = self._owned_at(partition)
        if owned_at is None:
            self._joined.discard(partition)
            return True
        if partition not in self._joined:
            if owned_at > self.progress.at(partition):
                return True
            self._joined.add(partition)
        # What was committed without being announced here needed no learning.
        self.progress.advance(partition, owned_at)
        return False
