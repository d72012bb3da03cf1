"""Lets the memory of this process follow what other processes project."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from base.backoff import Backoff
from base.database import Connection, Database, DatabaseOutage
from base.tasks import to_its_end
from logs.consumer.tables import select_positions
from logs.following.followed_topic import FollowedTopic
from logs.log import Log, LogOutage, Record, Tail

_log: Final = logging.getLogger(__name__)

_TICK_S: Final = 0.1
"""How soon it is noticed that a partition has changed hands."""
_MOST_AT_ONCE: Final = 500
_SOON_S: Final = 0.005
_LATER_S: Final = 0.02
_RARELY_S: Final = 0.1
_BETWEEN_S: Final = 0.01
"""Pause after a look that was worth it: under load the next one brings more."""
_LOOKS_SOON: Final = 4
_LOOKS_LATER: Final = 50


class Follower:
    """Reads the topics beside their owners, and looks at how far the database is.

    It looks only while records wait that another process projects: all topics and partitions with
    one query, together with what it needs of the stored rows. Memory is never ahead of the
    database, and never learns a record before those in front of it.
    """

    def __init__(
        self,
        log: Log,
        database: Database,
        consumer: str,
        topics: Sequence[FollowedTopic[Any]],
    ) -> None:
        """Take what to follow: topics of the consumers of this name in this database."""
        self._log: Final = log
        self._database: Final = database
        self._consumer: Final = consumer
        self._topics: Final = topics
        self._arrived: Final = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled.

        Raises (in a group) `RecordsLost` when memory is behind what the log keeps: the process has
        to start again from the database.
        """
        async with asyncio.TaskGroup() as tasks:
            for topic in self._topics:
                tasks.create_task(self._read(topic), name=f"follower-{topic.name}")
            tasks.create_task(self._look(), name="follower-look")

    async def _read(self, topic: FollowedTopic[Any]) -> None:
        backoff = Backoff()
        while True:
            if not topic.is_needed:
                await asyncio.sleep(_TICK_S)
                continue
            try:
                starts = topic.begin(await self._log.bounds(topic.name))
                tail = await self._log.tail(topic.name, starts)
                try:
                    await self._read_tail(topic, tail, backoff)
                finally:
                    await tail.close()
            except LogOutage as outage:
                _log.debug("memory waits for the log", extra={"outage": str(outage)})
                await backoff.wait()

    async def _read_tail(self, topic: FollowedTopic[Any], tail: Tail, backoff: Backoff) -> None:
        """Read until no partition is followed any more, or records were passed over."""
        reading = asyncio.ensure_future(tail.read())
        try:
            while topic.is_needed and not topic.has_hole:
                await asyncio.wait([reading], timeout=_TICK_S)
                if reading.done():
                    topic.accept(reading.result())
                    backoff.reset()
                    reading = asyncio.ensure_future(tail.read())
                if topic.is_waiting:
                    self._arrived.set()
        finally:
            await _give_up(reading)

    async def _look(self) -> None:
        backoff = Backoff()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            looks = 0
            while any(topic.is_waiting for topic in self._topics):
                await asyncio.sleep(_delay_s(looks))
                try:
                    has_moved = await self._learn()
                except DatabaseOutage as outage:
                    _log.debug("memory waits for the database", extra={"outage": str(outage)})
                    await backoff.wait()
                    continue
                backoff.reset()
                looks += 1
                if has_moved:
                    looks = 0
                    await asyncio.sleep(_BETWEEN_S)

    async def _learn(self) -> bool:
        """Look at the database once; true if memory has learned anything."""

        def work(connection: Connection) -> list[tuple[FollowedTopic[Any], dict[int, Any]]]:
            positions = select_positions(connection, self._consumer)
            confirmed = []
            for topic in self._topics:
                records = topic.projected(positions, _MOST_AT_ONCE)
                if records:
                    confirmed.append((topic, dict(topic.confirm(connection, records))))
            return confirmed

        has_moved = False
        for topic, found in await to_its_end(self._database.read(work)):
            for partition, one in found.items():
                topic.learn(partition, one)
                has_moved = True
        return has_moved


def _delay_s(looks: int) -> float:
    """Return how long to wait before the next look, after so many that showed nothing new."""
    if looks < _LOOKS_SOON:
        return _SOON_S
    return _LATER_S if looks < _LOOKS_LATER else _RARELY_S


async def _give_up(reading: asyncio.Future[Sequence[Record]]) -> None:
    reading.cancel()
    await asyncio.wait([reading])
    if not reading.cancelled():
        # Whatever it was: the next reader begins where memory is.
        reading.exception()
