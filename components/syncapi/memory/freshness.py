"""Reading one's own writes: readers wait until what was written before they asked is projected."""

import asyncio
from typing import Any, Final

from components.syncapi.projection.gate import Gate
from logs.consumer_loop import Consumer
from logs.log import Log, Position
from matrix.errors import Unavailable


class Freshness:
    """Knows how far a topic was written, and waits until memory knows it that far."""

    def __init__(self, log: Log, consumer: Consumer[Any], gate: Gate, timeout_s: float) -> None:
        self._log: Final = log
        self._topic: Final = consumer.topic.name
        self._consumer: Final = consumer
        self._gate: Final = gate
        self._timeout_s: Final = timeout_s

    async def reach(self, key: str) -> None:
        """Return once what was written about this room or user so far can be read.

        Raises `Unavailable` when that takes too long.
        """
        partition = self._log.partition_of(self._topic, key)
        await self._reach(partition, (await self._log.bounds(self._topic))[partition][1])

    async def reach_all(self) -> None:
        """Return once everything that was written so far can be read. Raises `Unavailable`."""
        for partition, (_, end) in (await self._log.bounds(self._topic)).items():
            await self._reach(partition, end)

    async def _reach(self, partition: int, end: int) -> None:
        progress = self._gate.progress
        if progress.has_reached(partition, end):
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                if not self._gate.is_followed(partition):
                    # The consumer knows of records that needed no projection, too.
                    position = Position(partition, end - 1)
                    await self._consumer.wait_for(position, timeout_s=self._timeout_s)
                    if not self._gate.is_followed(partition):
                        return
                await progress.reached(partition, end)
        except TimeoutError as error:
            raise Unavailable("What was written last cannot be read yet.") from error
