"""A topic as the follower reads it: records wait until the database shows them projected."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from base.database import Connection
from logs.following.gate import Gate
from logs.log import Record

F = TypeVar("F")

Confirm = Callable[[Connection, Mapping[int, Sequence[Record]]], Mapping[int, F]]
"""Asks the database what came of records; on return, what memory learns per partition."""


class FollowedTopic(Generic[F]):
    """The newest records of all partitions, from where memory is, as far as the bounds allow.

    Also those of partitions that this process owns are kept, undecoded, until it has committed
    them: it may lose a partition at any time.
    """

    def __init__(
        self,
        name: str,
        gate: Gate,
        *,
        partitions: int,
        confirm: Confirm[F],
        learn: Callable[[int, F], None],
        max_bytes: int,
    ) -> None:
        self.name: Final = name
        self.confirm: Final = confirm
        self.learn: Final = learn
        self._gate: Final = gate
        self._max_bytes: Final = max_bytes
        self._partitions: Final = range(partitions)
        self._records: Final[list[deque[Record]]] = [deque() for _ in self._partitions]
        self._bytes: Final = [0] * partitions
        self._kept_from: Final = [0] * partitions
        self._kept_upto: Final = [0] * partitions
        """All records between these offsets are kept, or known to memory."""
        self._read_upto: Final = [0] * partitions
        self._projected: Final = [0] * partitions
        """How far the database was when it was last looked at."""

    @property
    def is_needed(self) -> bool:
        """Whether another process owns any partition, or has moved one further than memory is."""
        return any(map(self._gate.is_followed, self._partitions))

    @property
    def is_waiting(self) -> bool:
        """Whether there are records that memory may have to learn from the database."""
        return any(
            self._read_upto[partition] > self._gate.progress.at(partition)
            for partition in self._partitions
            if self._gate.is_followed(partition)
        )

    @property
    def has_hole(self) -> bool:
        """Whether records are projected that memory does not know and that are not kept."""
        return any(
            self._lacks(partition, self._gate.progress.at(partition))
            for partition in self._partitions
            if self._gate.is_followed(partition)
        )

    def _lacks(self, partition: int, learned: int) -> bool:
        """Tell whether the next record for memory is projected, and was read without being kept."""
        if self._projected[partition] <= learned:
            return False
        return (
            self._kept_from[partition] > learned
            or self._kept_upto[partition] <= learned < self._read_upto[partition]
        )

    def begin(self, bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        """Forget all records, and return from where on to read them."""
        for partition in self._partitions:
            # What this process still has to project itself need not be read twice.
            start = (
                self._gate.progress.at(partition)
                if self._gate.is_followed(partition)
                else bounds[partition][1]
            )
            self._records[partition].clear()
            self._bytes[partition] = 0
            self._kept_from[partition] = self._kept_upto[partition] = start
            self._read_upto[partition] = start
        return dict(enumerate(self._read_upto))

    def accept(self, records: Sequence[Record]) -> None:
        """Keep records that were read, each partition in order."""
        for partition in self._partitions:
            if self._gate.progress.at(partition) >= self._read_upto[partition]:
                # What was not kept is known by now.
                self._kept_upto[partition] = self._read_upto[partition]
        for record in records:
            partition = record.partition
            if self._kept_upto[partition] == self._read_upto[partition]:
                self._records[partition].append(record)
                self._bytes[partition] += len(record.value)
                self._kept_upto[partition] = record.offset + 1
            self._read_upto[partition] = record.offset + 1
        for partition in self._partitions:
            self._drop_learned(partition)
        if sum(self._bytes) > self._max_bytes:
            self._drop_newest()

    def _drop_learned(self, partition: int) -> None:
        learned = self._gate.progress.at(partition)
        records = self._records[partition]
        while records and records[0].offset < learned:
            self._bytes[partition] -= len(records.popleft().value)

    def _drop_newest(self) -> None:
        """Drop records of those partitions that have most; of each the first one stays.

        Nothing is lost: they are read again when the projection gets there.
        """
        surplus = sum(self._bytes) - self._max_bytes
        while surplus > 0:
            partition = self._bytes.index(max(self._bytes))
            records = self._records[partition]
            if len(records) == 1:
                return
            dropped = records.pop()
            self._kept_upto[partition] = dropped.offset
            self._bytes[partition] -= len(dropped.value)
            surplus -= len(dropped.value)

    def projected(
        self, positions: Mapping[tuple[str, int], int], most: int
    ) -> dict[int, list[Record]]:
        """Return records that the database shows projected and memory does not know, some of each.

        Those of a partition begin where memory is.
        """
        found: dict[int, list[Record]] = {}
        for partition in self._partitions:
            end = positions.get((self.name, partition), 0)
            self._projected[partition] = end
            learned = self._gate.progress.at(partition)
            if end <= learned or self._kept_from[partition] > learned:
                continue
            if not self._gate.is_followed(partition):
                continue
            self._drop_learned(partition)
            # They follow on each other without holes.
            records = list(islice(self._records[partition], min(most, end - learned)))
            if records:
                found[partition] = records
        return found
