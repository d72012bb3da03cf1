"""A partition of the embedded log in memory: its numbering, its newest records, its readers."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from logs.embedded.frames import Lane
from logs.log import LogOutage, Record, RecordsLost


class Partition:
    """One partition of one topic."""

    def __init__(self, topic: str, lane: Lane, first: int, end: int) -> None:
        self.topic: Final = topic
        self.lane: Final = lane
        self.number: Final = lane[1]
        self.first = first
        """The first offset that is kept."""
        self.trim_point = first
        self.next = end
        """The offset that the next append gets."""
        self.end = end
        """The offset after the last durable record."""
        self.tail_start = end
        self.tail: list[Record] = []
        self.readers: set[PartitionReader] = set()

    def publish(self, records: list[Record]) -> None:
        """Show records that have become durable to the readers."""
        self.tail += records
        self.end += len(records)
        for reader in self.readers:
            reader.wake()

    def from_tail(self, offset: int, limit: int) -> list[Record] | None:
        """Return records from memory, or `None` if they are older than what is kept there."""
        start = offset - self.tail_start
        return self.tail[start : start + limit] if start >= 0 else None

    def forget(self, count: int) -> None:
        """Drop the oldest records from memory."""
        del self.tail[:count]
        self.tail_start += count


class TailMemory:
    """Bounds what all partitions together keep in memory."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._order: deque[tuple[Partition, int, int]] = deque()

    def add(self, partition: Partition, count: int, size: int) -> None:
        """Account for records just published."""
        self._order.append((partition, count, size))
        self._used += size
        if self._used > self._limit:
            self._shrink()

    def _shrink(self) -> None:
        # By a quarter at once: deleting from the front of a list moves all the rest of it.
        counts: dict[Partition, int] = {}
        while self._used > self._limit * 3 // 4:
            partition, count, size = self._order.popleft()
            counts[partition] = counts.get(partition, 0) + count
            self._used -= size
        for partition, count in counts.items():
            partition.forget(count)


class Files(Protocol):
    """Gives records that are no longer in memory."""

    async def read(self, partition: Partition, offset: int, limit: int) -> list[Record]:
        """Return records from this offset on, at least one if it is kept."""
        ...


class PartitionReader:
    """Reads some partitions of a topic, each from its own place on."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._places: dict[Partition, int] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._closing: str | None = None

    def start(self, partition: Partition, offset: int) -> None:
        """Read this partition too, from this offset on."""
        self._places[partition] = offset
        partition.readers.add(self)
        self.wake()

    def stop(self, partition: Partition) -> None:
        """Read this partition no longer."""
        self._places.pop(partition, None)
        partition.readers.discard(self)

    def is_reading(self, partition: Partition) -> bool:
        """Tell whether this partition is read."""
        return partition in self._places

    def wake(self) -> None:
        """Let a read that waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, reason: str) -> None:
        """Stop reading all; a read that waits, and any later one, raises `LogOutage`."""
        self._closing = reason
        for partition in list(self._places):
            self.stop(partition)
        self.wake()

    async def read(self, limit: int) -> dict[int, Sequence[Record]]:
        """Wait for records and return at most `limit`, per partition."""
        # A reader with much to catch up on must not keep the event loop for itself.
        await asyncio.sleep(0)
        while True:
            if self._closing is not None:
                raise LogOutage(self._closing)
            batch = await self._take(limit)
            if batch:
                return batch
            await self._wait()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            if not any(place < partition.end for partition, place in self._places.items()):
                await self._waiter
        finally:
            self._waiter = None

    async def _take(self, limit: int) -> dict[int, Sequence[Record]]:
        batch: dict[int, Sequence[Record]] = {}
        for partition, place in list(self._places.items()):
            if place == partition.end:
                continue
            _require_kept(partition, place)
            records = partition.from_tail(place, limit)
            if records is None:
                records = await self._files.read(partition, place, limit)
                if self._places.get(partition) != place:
                    continue  # revoked or moved while the file was read
            if records:
                batch[partition.number] = records
                # At the end of the order, so that no partition waits behind a busy one forever.
                del self._places[partition]
                self._places[partition] = place + len(records)
                limit -= len(records)
            if limit <= 0:
                break
        return batch


def _require_kept(partition: Partition, place: int) -> None:
    if place < partition.first:
        raise RecordsLost(
            f"{partition.topic}/{partition.number} begins at {partition.first}; the reader is at "
            f"{place}, and what lies between was dropped. Rebuild the reader."
        )
    if place > partition.end:
        raise RecordsLost(
            f"{partition.topic}/{partition.number} ends at {partition.end}; the reader is at "
            f"{place}, of another log. Rebuild the reader."
        )


class EmbeddedTail:
    """A reader of all partitions of a topic."""

    def __init__(self, files: Files, places: Mapping[Partition, int]) -> None:
        self._reader = PartitionReader(files)
        for partition, offset in places.items():
            self._reader.start(partition, offset)

    async def read(self) -> Sequence[Record]:
        """Wait for records and return them, each partition in order."""
        batch = await self._reader.read(1000)
        if len(batch) == 1:
            return next(iter(batch.values()))
        return [record for records in batch.values() for record in records]

    async def close(self) -> None:
        """Stop reading."""
        self._reader.end("The reader is closed.")


def wake_all(partitions: Iterable[Partition], reason: str) -> None:
    """End all readers, as the log closes."""
    for partition in partitions:
        for reader in list(partition.readers):
            reader.end(reason)
