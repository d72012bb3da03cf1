"""Lets the log drop records that no consumer needs and that are older than their topic keeps."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from base.clock import Clock
from base.database import DatabaseOutage
from base.metrics import Family, Reading
from base.repeating import repeat
from logs.log import LogDamaged, LogOutage, RecordsLost, Tail
from logs.retention import Retentions
from logs.topics import TOPICS, Topic

_log: Final = logging.getLogger(__name__)

OVER_SIZE: Final = Family(
    "xylem_log_over_size_bytes",
    "gauge",
    "Bytes over its size bound that a topic of the embedded log keeps, because a consumer has not "
    "made durable what it did with them. Never normal for long.",
    ("topic",),
)
FAMILIES: Final = (OVER_SIZE,)


class TrimmedConsumer(Protocol):
    """A consumer, as far as trimming is concerned."""

    @property
    def topic(self) -> Topic[Any]:
        """Return the topic that it reads."""
        ...

    async def durable_positions(self) -> Mapping[int, int]:
        """Return per partition the offset below which it will never read again."""
        ...


class TrimmedLog(Protocol):
    """A log that drops nothing unless it is told to: the embedded one."""

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return what is kept (`Log.bounds`)."""
        ...

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> Tail:
        """Read from these offsets on (`Log.tail`)."""
        ...

    async def trim(self, topic: str, before: Mapping[int, int]) -> None:
        """Allow the log to drop the records below these offsets (`Log.trim`)."""
        ...

    async def compact(self) -> None:
        """Give back the room of records that may go and lie between others."""
        ...

    def bytes_of(self, topic: str) -> int:
        """Return how many bytes the topic's records take."""
        ...

    def first_within(self, topic: str, max_bytes: int) -> Mapping[int, int]:
        """Return per partition the offset from which on no more than so many bytes are kept."""
        ...


class Trimmer:
    """Trims all topics below their consumers' durable positions and what their retention protects.

    A size bound drops also what is young, but nothing that a consumer has not made durable: what
    is kept in spite of it is counted, and told of once.
    """

    def __init__(
        self,
        log: TrimmedLog,
        readers: Sequence[TrimmedConsumer],
        clock: Clock,
        retentions: Retentions | None = None,
    ) -> None:
        self._log = log
        self._readers = readers
        self._clock = clock
        self._retentions = retentions or Retentions()
        self._young: dict[tuple[str, int], int] = {}
        """Offsets below which all records of a partition are known to be old."""
        self._allowed: dict[tuple[str, int], int] = {}
        """Offsets below which the log may drop all records of a partition."""
        self._over_size: dict[str, int] = {}

    async def run(self, interval_s: float) -> None:
        """Trim now and then, until cancelled; during an outage nothing is dropped."""
        await repeat(
            self.trim_all,
            pause_s=interval_s,
            outages=(LogOutage, LogDamaged, DatabaseOutage, RecordsLost, OSError),
            what="trimming the log",
            pause_first=True,
            level=logging.WARNING,
        )

    async def trim_all(self) -> None:
        """Trim all topics, and give back the room of what they no longer keep."""
        for topic in TOPICS.values():
            await self.trim(topic)
        await self._log.compact()

    async def trim(self, topic: Topic[Any]) -> None:
        """Trim one topic."""
        retention = self._retentions.of(topic)
        cutoff_ms = self._clock.now_ms() - retention.ms
        wanted = {
            partition: await self._first_young(topic, partition, bounds, cutoff_ms)
            for partition, bounds in (await self._log.bounds(topic.name)).items()
        }
        if retention.max_bytes is not None:
            within = self._log.first_within(topic.name, retention.max_bytes)
            wanted = {one: max(offset, within[one]) for one, offset in wanted.items()}
        if all(at <= self._allowed.get((topic.name, one), 0) for one, at in wanted.items()):
            # Positions are made durable only where that lets something go: it writes to the disk.
            self._over_size.pop(topic.name, None)
            return
        allowed = dict(wanted)
        for reader in self._readers:
            if reader.topic.name == topic.name:
                positions = await reader.durable_positions()
                for partition, offset in allowed.items():
                    allowed[partition] = min(offset, positions.get(partition, 0))
        await self._log.trim(topic.name, allowed)
        self._allowed.update(((topic.name, one), at) for one, at in allowed.items())
        if retention.max_bytes is not None:
            is_held_up = any(allowed[partition] < wanted[partition] for partition in wanted)
            over = self._log.bytes_of(topic.name) - retention.max_bytes
            self._note_over_size(topic.name, max(over, 0) if is_held_up else 0)

    def _note_over_size(self, topic: str, over: int) -> None:
        if over and not self._over_size.get(topic):
            fields = {"topic": topic, "bytes": over}
            _log.warning("A topic is over its size: a consumer has yet to read it", extra=fields)
        self._over_size[topic] = over

    def readings(self) -> Iterator[Reading]:
        """Give what was counted, for metrics."""
        for topic, over in self._over_size.items():
            yield Reading(OVER_SIZE, (topic,), over)

    async def _first_young(
        self, topic: Topic[Any], partition: int, bounds: tuple[int, int], cutoff_ms: int
    ) -> int:
        """Return the first offset that the topic's retention still protects, or the end."""
        first, end = bounds
        low = max(first, self._young.get((topic.name, partition), 0))
        if low >= end or await self._timestamp_ms(topic, partition, low) >= cutoff_ms:
            return low
        high = end
        while low < high:
            middle = (low + high) // 2
            if await self._timestamp_ms(topic, partition, middle) < cutoff_ms:
                low = middle + 1
            else:
                high = middle
        self._young[topic.name, partition] = low
        return low

    async def _timestamp_ms(self, topic: Topic[Any], partition: int, offset: int) -> int:
        """Return when the record at this offset, which exists, was appended."""
        tail = await self._log.tail(topic.name, {partition: offset})
        try:
            while True:
                for record in await tail.read():
                    if record.partition == partition:
                        return record.timestamp_ms
        finally:
            await tail.close()
