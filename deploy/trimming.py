"""Lets the log drop records that no consumer needs and that are older than their topic keeps."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from base.clock import Clock
from base.database import DatabaseOutage
from logs.log import Log, LogOutage, RecordsLost
from logs.topics import TOPICS, Topic

_log: Final = logging.getLogger(__name__)

_MS_PER_HOUR: Final = 3_600_000


class Reader(Protocol):
    """A consumer, as far as trimming is concerned."""

    @property
    def topic(self) -> Topic[Any]:
        """Return the topic that it reads."""
        ...

    async def durable_positions(self) -> Mapping[int, int]:
        """Return per partition the offset below which it will never read again."""
        ...


class Trimmer:
    """Trims all topics below their consumers' durable positions and their retention."""

    def __init__(self, log: Log, readers: Sequence[Reader], clock: Clock) -> None:
        self._log = log
        self._readers = readers
        self._clock = clock
        self._young: dict[tuple[str, int], int] = {}
        """Offsets below which all records of a partition are known to be old."""

    async def run(self, interval_s: float) -> None:
        """Trim now and then, until cancelled; during an outage nothing is dropped."""
        while True:
            await asyncio.sleep(interval_s)
            try:
                for topic in TOPICS.values():
                    await self.trim(topic)
            except (LogOutage, DatabaseOutage, RecordsLost) as outage:
                _log.warning("The log is not trimmed", extra={"reason": str(outage)})

    async def trim(self, topic: Topic[Any]) -> None:
        """Trim one topic."""
        before = {
            partition: await self._first_young(topic, partition, first, end)
            for partition, (first, end) in (await self._log.bounds(topic.name)).items()
        }
        for reader in self._readers:
            if reader.topic.name == topic.name:
                positions = await reader.durable_positions()
                for partition, offset in before.items():
                    before[partition] = min(offset, positions.get(partition, 0))
        await self._log.trim(topic.name, before)

    async def _first_young(self, topic: Topic[Any], partition: int, first: int, end: int) -> int:
        """Return the first offset that the topic's retention still protects, or the end."""
        cutoff_ms = self._clock.now_ms() - topic.retention_h * _MS_PER_HOUR
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
