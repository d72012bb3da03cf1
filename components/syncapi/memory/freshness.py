"""Told is visible: readers wait until what was answered before they asked can be read.

Whatever a client was told is in the log when it is told: so readers ask how far the topics are
written that they show, and wait until memory knows them that far. With the embedded log that is a
comparison; on Kafka one question serves all who ask at the same time (`logs.log.Log.ends`).
"""

import asyncio
from collections.abc import Sequence
from operator import le
from typing import Final, Protocol

from logs.following.progress import TopicProgress
from logs.log import Log
from matrix.errors import Unavailable


class KnownTopic(Protocol):
    """A topic, as far as memory knows it."""

    @property
    def name(self) -> str:
        """The topic's name."""
        ...

    @property
    def progress(self) -> TopicProgress:
        """How far memory is."""
        ...

    async def reached(self, partition: int, end: int) -> None:
        """Return once everything before this offset can be read."""
        ...


class MomentaryTopic:
    """A topic that every process reads for itself."""

    def __init__(self, name: str, progress: TopicProgress) -> None:
        self.name: Final = name
        self.progress: Final = progress

    async def reached(self, partition: int, end: int) -> None:
        """Return once everything before this offset is in memory."""
        await self.progress.reached(partition, end)


class Freshness:
    """Lets requests read what was there when they came. All methods raise `Unavailable`."""

    def __init__(
        self,
        log: Log,
        topics: Sequence[KnownTopic],
        *,
        of_rooms: Sequence[KnownTopic],
        timeout_s: float,
    ) -> None:
        """Take the topics of all streams, and those that show rooms, the one of rooms first."""
        self._log: Final = log
        self._rooms: Final = of_rooms[0]
        self._of_rooms: Final = of_rooms
        self._all: Final = topics
        self._timeout_s: Final = timeout_s

    async def room(self, room_id: str) -> None:
        """Return once one room can be read, and who ignores whom and who is erased."""
        partition = self._log.partition_of(self._rooms.name, room_id)
        await self._reach(self._of_rooms, self._timeout_s, rooms=[partition])

    async def rooms(self) -> None:
        """Return once all rooms can be read, and who ignores whom and who is erased."""
        await self._reach(self._of_rooms, self._timeout_s)

    async def everything(self, *, patience_s: float = 0) -> None:
        """Return once all that clients are shown can be read.

        Who has more patience than is usual waits longer.
        """
        await self._reach(self._all, max(self._timeout_s, patience_s))

    async def topic(self, name: str) -> None:
        """Return once what is in one topic can be read."""
        await self._reach([topic for topic in self._all if topic.name == name], self._timeout_s)

    async def _reach(
        self,
        topics: Sequence[KnownTopic],
        timeout_s: float,
        rooms: Sequence[int] | None = None,
    ) -> None:
        """Wait for these topics; with `rooms`, of the topic of rooms for these partitions."""
        ends = await self._log.ends([topic.name for topic in topics])
        # Mostly nothing is behind, and this is asked with every request.
        behind = [
            topic
            for topic in topics
            if not all(map(le, ends[topic.name], topic.progress.next_offsets))
        ]
        if not behind:
            return
        try:
            async with asyncio.timeout(timeout_s):
                for topic in behind:
                    wanted = rooms if topic is self._rooms else None
                    for partition, end in enumerate(ends[topic.name]):
                        if wanted is None or partition in wanted:
                            await self._reached(topic, partition, end)
        except TimeoutError as error:
            raise Unavailable("What was written last cannot be read yet.") from error

    async def _reached(self, topic: KnownTopic, partition: int, end: int) -> None:
        if not topic.progress.has_reached(partition, end):
            await topic.reached(partition, end)
