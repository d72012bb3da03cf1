"""Reading one's own writes: readers wait until what was written before they asked is projected."""

from typing import Any, Final

from components.syncapi.waiting import Progress
from logs.consumer_loop import Consumer
from logs.log import Log, Position
from matrix.errors import Unavailable


class Freshness:
    """Knows how far a topic was written, and waits until it is projected that far."""

    def __init__(
        self, log: Log, consumer: Consumer[Any], progress: Progress, timeout_s: float
    ) -> None:
        self._log: Final = log
        self._topic: Final = consumer.topic.name
        self._consumer: Final = consumer
        self._progress: Final = progress
        self._timeout_s: Final = timeout_s

    async def reach(self, key: str) -> None:
        """Return once what was written about this room or user so far can be read.

        Raises `Unavailable` when that takes too long.
        """
        await self._reach(self._log.partition_of(self._topic, key))

    async def reach_all(self) -> None:
        """Return once everything that was written so far can be read. Raises `Unavailable`."""
        for partition in range(self._log.partition_count(self._topic)):
            await self._reach(partition)

    async def _reach(self, partition: int) -> None:
        _, end = (await self._log.bounds(self._topic))[partition]
        if end == 0 or self._progress.has_reached(partition, end):
            return
        try:
            # The consumer knows of records that needed no projection, too.
            await self._consumer.wait_for(Position(partition, end - 1), timeout_s=self._timeout_s)
        except TimeoutError as error:
            raise Unavailable("What was written last cannot be read yet.") from error
