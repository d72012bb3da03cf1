"""A reader for the tests whose replicas share a topic, and each of which remembers all of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import sqlalchemy as sa

from base.database import Connection, Database, Schema, insert, open_database
from logs.consumer import Message
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.following.follower import Follower
from logs.following.progress import TopicProgress
from logs.following.projected_topic import (
    FollowedRecords,
    ProjectedTopic,
    Reject,
    stored_positions,
)
from logs.log import Log
from logs.topics import Topic
from tests.contract.logs.under_test import SPREAD, Number

_NAME: Final = "remembering"
_METADATA: Final = sa.MetaData()
_SEEN: Final = sa.Table(
    "seen",
    _METADATA,
    sa.Column("value", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("place", sa.BigInteger, nullable=False),
)
REFUSED: Final = 13
"""A number that is never taken."""

News = Sequence[tuple[int, int]]
"""Offsets and values."""


class _Projection:
    """Writes each number once, and remembers them in their order."""

    def __init__(self, start: Sequence[int], topic: Topic[Number]) -> None:
        self.topic: Final = topic
        self.progress: Final = TopicProgress(start)
        self.known: Final[list[list[int]]] = [[] for _ in start]
        self.confirmed = 0

    def write(
        self, connection: Connection, messages: Sequence[Message[Number]], reject: Reject[Number]
    ) -> News:
        news: list[tuple[int, int]] = []
        for message in messages:
            value, place = message.value.value, message.position.offset
            if value == REFUSED:
                reject(message, "It is refused by rule.")
                continue
            row = insert(connection, _SEEN).values(value=value, place=place)
            if connection.execute(row.on_conflict_do_nothing()).rowcount:
                news.append((place, value))
        return news

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[Number]]
    ) -> Mapping[int, News]:
        stored = {value: place for value, place in connection.execute(sa.select(_SEEN))}  # noqa: C416 (a row is no pair)
        self.confirmed += sum(len(one.records) for one in followed.values())
        return {
            partition: [
                (offset, number.value)
                for offset, number in one.records
                # A repeat is at another place.
                if stored.get(number.value) == offset
            ]
            for partition, one in followed.items()
        }

    def learn(self, partition: int, news: News) -> None:
        known = self.progress.at(partition)
        self.known[partition] += [value for offset, value in news if offset >= known]


class Replica:
    """One process of the reader."""

    def __init__(
        self,
        log: Log,
        database: Database,
        start: Sequence[int],
        bytes_kept: int,
        topic: Topic[Number],
    ) -> None:
        self.projection: Final = _Projection(start, topic)
        self.topic: Final = ProjectedTopic(
            _NAME,
            self.projection,
            log,
            database,
            followed_bytes=bytes_kept,
            reach_timeout_s=30,
        )
        self._log: Final = log
        self._follower: Final = Follower(log, database, _NAME, [self.topic.followed])
        self._following = asyncio.create_task(self._follower.run())
        self._consuming = asyncio.create_task(self.topic.consumer.run())

    @property
    def known(self) -> list[int]:
        """What it remembers, whichever replica has written it."""
        return sorted(value for values in self.projection.known for value in values)

    def owned(self) -> list[int]:
        """Return the partitions that it projects itself."""
        partitions = range(self._log.partition_count(SPREAD.name))
        return [one for one in partitions if self.topic.consumer.position(one) is not None]

    async def owns(self, count: int) -> None:
        """Return once it projects so many partitions."""
        async with asyncio.timeout(30):
            while len(self.owned()) != count:  # noqa: ASYNC110 (nothing announces it)
                await asyncio.sleep(0.005)

    async def up_to_date(self) -> None:
        """Return once it knows all that is in the topic."""
        [ends] = (await self._log.ends([SPREAD.name])).values()
        async with asyncio.timeout(30):
            for partition, end in enumerate(ends):
                if end:
                    await self.topic.reached(partition, end)

    async def stop_consuming(self) -> None:
        """Hand its partitions over to others."""
        self._consuming.cancel()
        await asyncio.wait([self._consuming])

    async def stop(self) -> None:
        """End."""
        await self.stop_consuming()
        self._following.cancel()
        await asyncio.wait([self._following])


@asynccontextmanager
async def replicas(
    log: Log,
    url: str,
    count: int,
    *,
    bytes_kept: int = 1_000_000,
    topics: Sequence[Topic[Number]] = (),
) -> AsyncIterator[list[Replica]]:
    """Start replicas over one database; each owns its share of the partitions.

    `topics` has for each of them SPREAD as its version knows it.
    """
    async with AsyncExitStack() as stack:
        found: list[Replica] = []
        for topic in topics or [SPREAD] * count:
            schema = Schema(_NAME, _METADATA, parts=(CONSUMER_SCHEMA,))
            database = await open_database(url, schema)
            stack.push_async_callback(database.close)
            starts = await stored_positions(log, database, _NAME, [SPREAD.name])
            one = Replica(log, database, starts[SPREAD.name], bytes_kept, topic)
            stack.push_async_callback(one.stop)
            found.append(one)
        for one in found:
            await one.owns(log.partition_count(SPREAD.name) // count)
        yield found
