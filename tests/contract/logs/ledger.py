"""A component for the tests: it enters each number into a ledger, and passes it on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import Database, DatabaseOutage, Schema, open_database
from base.metrics import Reading
from logs.append_metrics import AppendObserver
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.partition import OnProcessed
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.log import (
    Log,
    LogOutage,
    LogRun,
    Outgoing,
    Ownership,
    Position,
    Subscription,
    Tail,
)
from logs.topics import Topic
from tests.contract.logs.under_test import DERIVED, NUMBERS, Number

METADATA: Final = sa.MetaData()
ENTRIES: Final = sa.Table(
    "entries",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("value", sa.Integer, nullable=False),
)


async def open_ledger(url: str, name: str = "ledger") -> Database:
    """Open the database of a ledger."""
    return await open_database(url, Schema(name, METADATA, parts=(CONSUMER_SCHEMA,)))


async def select_values(database: Database) -> list[int]:
    """Return the entries in the order made."""

    def work(connection: Connection) -> list[int]:
        query = sa.select(ENTRIES.c.value).order_by(ENTRIES.c.number)
        return list(connection.execute(query).scalars())

    return await database.read(work)


class Behaviour:
    """What the ledger does with some numbers."""

    def __init__(self) -> None:
        self.refused: Final[set[int]] = set()
        """Rejected by rule."""
        self.poison: Final[set[int]] = set()
        """Raise an error that nobody expected."""
        self.outages: Final[Counter[int]] = Counter()
        """How often there is an outage when these come."""
        self.outage: Exception = DatabaseOutage("the database is away")
        self.unconcerned: Final[set[int]] = set()
        """Have no effects."""
        self.passes_on = True
        """Whether it has output."""
        self.committed: Final[list[int]] = []
        self.aborted = 0


class Ledger:
    """The processor of one partition."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._under_way: list[int] = []

    def process(
        self, connection: Connection, messages: Sequence[Message[Number]], outbox: Outbox
    ) -> None:
        behaviour = self._behaviour
        self._under_way = []
        for message in messages:
            value = message.value.value
            if value in behaviour.unconcerned:
                continue
            if value in behaviour.refused:
                outbox.reject(message, "It is refused by rule.")
                continue
            connection.execute(sa.insert(ENTRIES).values(value=value))
            if behaviour.passes_on:
                outbox.put(DERIVED, message.key, message.value)
            self._under_way.append(value)
            if value in behaviour.poison:
                raise ZeroDivisionError("nobody expected this")
            if behaviour.outages[value] > 0:
                behaviour.outages[value] -= 1
                raise behaviour.outage

    def committed(self) -> None:
        self._behaviour.committed.extend(self._under_way)

    def aborted(self) -> None:
        self._behaviour.aborted += 1


def make_consumer(
    log: Log,
    database: Database,
    behaviour: Behaviour | None = None,
    *,
    topic: Topic[Number] = NUMBERS,
    max_batch: int = 500,
    on_processed: OnProcessed | None = None,
) -> Consumer[Number]:
    """Return a consumer that enters a topic into the ledger."""
    known = behaviour or Behaviour()
    return Consumer(
        "ledger",
        topic,
        lambda _: Ledger(known),
        log,
        database,
        max_batch=max_batch,
        on_processed=on_processed,
        concerns=lambda number: number.value not in known.unconcerned,
    )


@asynccontextmanager
async def running(*consumers: Consumer[Number]) -> AsyncIterator[None]:
    """Run consumers meanwhile; they are stopped as a server stops them."""
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        done, _ = await asyncio.wait(tasks)
        for task in done:
            if not task.cancelled():
                task.result()


async def catch_up(consumer: Consumer[Number], log: Log, timeout_s: float = 30) -> None:
    """Return once everything in the topic is processed."""
    for partition, (_, end) in (await log.bounds(consumer.topic.name)).items():
        if end > 0:
            await consumer.wait_for(Position(partition, end - 1), timeout_s)


class UnreliableLog:
    """A log that is away when told, or that fails to say that an append was made."""

    def __init__(self, log: Log, *, group_suffix: str = "") -> None:
        self._log = log
        self._group_suffix = group_suffix
        self.is_away = False
        self.forgets_to_answer = 0
        """How many of the next appends are made and reported as an outage."""
        self.was_asked = asyncio.Event()

    @property
    def generation(self) -> str:
        return self._log.generation

    @property
    def runs(self) -> Sequence[LogRun]:
        return self._log.runs

    @property
    def max_record_bytes(self) -> int:
        return self._log.max_record_bytes

    def partition_count(self, topic: str) -> int:
        return self._log.partition_count(topic)

    def partition_of(self, topic: str, key: str) -> int:
        return self._log.partition_of(topic, key)

    async def append(self, topic: str, records: Sequence[Outgoing]) -> Sequence[Position]:
        self.was_asked.set()
        if self.is_away:
            raise LogOutage("The log is away.")
        positions = await self._log.append(topic, records)
        if self.forgets_to_answer > 0:
            self.forgets_to_answer -= 1
            raise LogOutage("No answer came.")
        return positions

    async def subscribe(self, topic: str, group: str, ownership: Ownership) -> Subscription:
        return await self._log.subscribe(topic, group + self._group_suffix, ownership)

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> Tail:
        return await self._log.tail(topic, start)

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        return await self._log.bounds(topic)

    async def ends(self, topics: Sequence[str]) -> Mapping[str, Sequence[int]]:
        return await self._log.ends(topics)

    async def trim(self, topic: str, before: Mapping[int, int]) -> None:
        await self._log.trim(topic, before)

    async def check(self) -> None:
        if self.is_away:
            raise LogOutage("The log is away.")
        await self._log.check()

    async def watch(self) -> None:
        await self._log.watch()

    def observe_appends(self, observe: AppendObserver) -> None:
        self._log.observe_appends(observe)

    def readings(self) -> Iterable[Reading]:
        return self._log.readings()

    async def close(self) -> None:
        await self._log.close()
