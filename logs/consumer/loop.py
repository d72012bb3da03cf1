"""The consumer of a topic: owns partitions, reads, and lets each be processed once."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

from base.backoff import Backoff
from base.clock import Clock, SystemClock
from base.database import Connection, Database, DatabaseOutage
from base.metrics import Reading
from logs.consumer import Processor
from logs.consumer.counts import (
    LAG,
    PENDING_OUTPUT,
    UNKNOWN_RECORDS,
    BatchObserver,
    ConsumerCounts,
)
from logs.consumer.lost_records import (
    require_generation,
    require_records,
    skip_lost_records,
)
from logs.consumer.outbox import Stream
from logs.consumer.partition import Concerns, ConsumerParts, OnProcessed, OwnedPartition
from logs.consumer.tables import ConsumerStore, Fenced, Stored
from logs.log import Log, LogOutage, Position, Record, Subscription
from logs.topics import Topic
from logs.unknown_records import UnknownRecord

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_AGAIN_S: Final = 0.02
_LATE_S: Final = 0.5
"""After which time it is committed how far records were passed over."""


class Consumer(Generic[T]):
    """Processes a topic into a component's database, each record's effects once.

    `CONSUMER_SCHEMA` is a part of the component's `Schema`. Several instances with the same name
    share the partitions, unless they are of another `group`. `name` is part of the origin of every
    derived record and must never change.
    """

    def __init__(
        self,
        name: str,
        topic: Topic[T],
        make_processor: Callable[[int], Processor[T]],
        log: Log,
        database: Database,
        *,
        max_batch: int = 500,
        clock: Clock | None = None,
        group: str | None = None,
        on_processed: OnProcessed | None = None,
        concerns: Concerns[T] | None = None,
    ) -> None:
        """Take what to do with the topic; `on_processed` hears how far all is done.

        Batches in which nothing is of concern cost no transaction: their end is committed with a
        later batch, or a moment later.
        """
        self.name: Final = name
        self._group: Final = group or name
        self.topic: Final = topic
        self.counts: Final = ConsumerCounts()
        self._make_processor = make_processor
        self._log = log
        self._database = database
        self._max_batch = max_batch
        self._store = ConsumerStore(name, topic.name)
        self._parts = ConsumerParts(
            topic,
            log,
            database,
            self._store,
            self.counts,
            clock or SystemClock(),
            on_processed,
            concerns,
        )
        self._late: asyncio.Task[None] | None = None
        """Commits how far records were passed over."""
        self._owned: dict[int, OwnedPartition[T]] = {}
        self._waiters: dict[int, list[tuple[int, asyncio.Future[None]]]] = {}
        self._stopping = asyncio.Event()
        self._is_waiting = False
        self._is_subscribed = False
        self._owned_lag: dict[int, int] = {}

    async def run(self) -> None:
        """Consume until cancelled; then finish the batch under way and hand over.

        Raises `RecordsLost` when the position is not in the topic, and `LogDamaged`.
        """
        self._stopping.clear()
        work = asyncio.create_task(self._work(), name=f"consumer-{self.name}-{self.topic.name}")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stopping.set()
            for owned in self._owned.values():
                owned.ask_to_stop()
            if self._is_waiting:
                work.cancel()
            try:
                await asyncio.wait([work])
            finally:
                work.cancel()
            raise

    async def _work(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                await self._consume()
            except LogOutage as outage:
                self._note_log_outage(outage)
                await backoff.wait(self._stopping)

    async def _consume(self) -> None:
        self._is_waiting = True
        try:
            subscription = await self._log.subscribe(self.topic.name, self._group, self)
        finally:
            self._is_waiting = False
        self._is_subscribed = True
        backoff = Backoff()
        try:
            while not self._stopping.is_set():
                try:
                    batches = await self._read(subscription)
                except LogOutage as outage:
                    self._note_log_outage(outage)
                    await backoff.wait(self._stopping)
                else:
                    backoff.reset()
                    await self._handle_all(subscription, batches)
        finally:
            self._is_subscribed = False
            await subscription.close()
            await self._end_late()

    async def _read(self, subscription: Subscription) -> Mapping[int, Sequence[Record]]:
        self._is_waiting = True
        try:
            return await subscription.read(max_records=self._max_batch)
        finally:
            self._is_waiting = False

    def _note_log_outage(self, outage: LogOutage) -> None:
        self.counts.outages += 1
        logger.debug(
            "a consumer waits for the log", extra={"consumer": self.name, "outage": str(outage)}
        )

    async def _handle_all(
        self, subscription: Subscription, batches: Mapping[int, Sequence[Record]]
    ) -> None:
        if len(batches) == 1:
            [(partition, records)] = batches.items()
            await self._handle(subscription, partition, records)
            return
        async with asyncio.TaskGroup() as tasks:
            for partition, records in batches.items():
                tasks.create_task(self._handle(subscription, partition, records))

    async def _handle(
        self, subscription: Subscription, partition: int, records: Sequence[Record]
    ) -> None:
        owned = self._owned.get(partition)
        if owned is None:
            return
        try:
            follows = await owned.handle(records)
        except Fenced:
            self.counts.fenced += 1
            logger.warning(
                "another instance has moved a position: it is loaded again",
                extra={"consumer": self.name, "partition": partition},
            )
            await self._load_again(subscription, partition, owned)
            return
        if owned.unknown is not None:
            subscription.hold(Position(partition, owned.offset))
        elif not follows:
            subscription.seek(Position(partition, owned.offset))
        if owned.is_ahead:
            self._commit_late()
        if partition in self._waiters:
            self._wake_waiters(partition, owned.offset)

    def _commit_late(self) -> None:
        """Let it be committed soon how far records were passed over."""
        if self._late is not None:
            if not self._late.done():
                return
            self._late.result()  # damage ends the consumer, as in a batch
        self._late = asyncio.create_task(self._commit_ahead(), name=f"positions-{self.name}")

    async def _commit_ahead(self) -> None:
        await asyncio.sleep(_LATE_S)
        for owned in list(self._owned.values()):
            try:
                await owned.commit_position()
            except (DatabaseOutage, Fenced) as left:
                # The next batch with effects finds it out, and deals with it.
                logger.debug("a position is left behind", extra={"reason": str(left)})

    async def _end_late(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            late.cancel()
            await asyncio.wait([late])

    async def _load_again(
        self, subscription: Subscription, partition: int, old: OwnedPartition[T]
    ) -> None:
        await old.stop()
        stored = await self._load([partition])
        if self._owned.get(partition) is old:
            fresh = self._make(partition, stored[partition])
            self._owned[partition] = fresh
            subscription.seek(Position(partition, fresh.offset))
            self._wake_waiters(partition, fresh.offset)

    async def _load(self, partitions: Collection[int]) -> dict[int, Stored]:
        generation = self._log.generation

        def work(connection: Connection) -> dict[int, Stored]:
            return self._store.select(connection, partitions, generation)

        backoff = Backoff()
        while True:
            try:
                # Durable, so that the first offset, by which output is numbered, never changes.
                stored = await self._database.write(work, durable=True)
            except DatabaseOutage as outage:
                self.counts.outages += 1
                logger.debug(
                    "a consumer waits for its database",
                    extra={"consumer": self.name, "outage": str(outage)},
                )
                await backoff.wait()
            else:
                break
        require_generation(stored, generation, self.name, self.topic.name)
        return stored

    def _make(self, partition: int, stored: Stored) -> OwnedPartition[T]:
        stream = Stream(self.name, self.topic.name, partition)
        return OwnedPartition(self._parts, stream, stored, self._make_processor(partition))

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take over partitions, called by the log: what is left in their outbox is sent first."""
        stored = await self._load(partitions)
        for partition in partitions:
            self._owned[partition] = self._make(partition, stored[partition])
            self._wake_waiters(partition, stored[partition].offset)
        return {partition: found.offset for partition, found in stored.items()}

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Finish what is under way and let the partitions go, called by the log."""
        lost = [self._owned.pop(number) for number in partitions if number in self._owned]
        await asyncio.gather(*(owned.stop() for owned in lost))
        for partition in partitions:
            self._wake_waiters(partition, None)

    def position(self, partition: int) -> int | None:
        """Return the next offset to process, or `None` if the partition is not owned here."""
        owned = self._owned.get(partition)
        return owned.offset if owned is not None else None

    @property
    def unknown_records(self) -> Sequence[UnknownRecord]:
        """The records that partitions owned here wait at, until a newer version is started."""
        found = [owned.unknown for owned in self._owned.values()]
        return [one for one in found if one is not None]

    def owned_positions(self) -> dict[int, int]:
        """Return the next offset to process of each partition that is owned here."""
        return {partition: owned.offset for partition, owned in self._owned.items()}

    async def positions(self) -> Mapping[int, int]:
        """Return the committed positions of all partitions, whoever owns them."""
        return await self._database.read(self._store.select_offsets)

    async def durable_positions(self) -> Mapping[int, int]:
        """Make durable what is committed and return its positions: below them may be trimmed."""
        positions = await self.positions()
        await self._database.make_durable()
        return positions

    async def forget_sent(self) -> None:
        """Delete output that is in the log from the outbox. Raises `DatabaseOutage`.

        Batches do so as they come: this is for when none come.
        """
        for owned in list(self._owned.values()):
            await owned.forget_sent()

    async def require_records(self) -> None:
        """Return if the log has all that is not processed yet. Raises `RecordsLost`, and outages.

        Also a consumer that has never run has to find its topic's first record.
        """
        await require_records(self._log, self._database, self.name, self.topic.name)

    async def skip_lost_records(self) -> Mapping[int, tuple[int, int]]:
        """Go on, while it does not run, at what the log still has (`skip_lost_records`)."""
        return await skip_lost_records(self._log, self._database, self.name, self.topic.name)

    async def lag(self) -> Mapping[int, int]:
        """Return how many records of each partition are not processed yet."""
        positions = await self.positions()
        bounds = await self._log.bounds(self.topic.name)
        return {
            partition: end - positions.get(partition, 0) for partition, (_, end) in bounds.items()
        }

    @property
    def is_subscribed(self) -> bool:
        """Tell whether it is in the group that shares the partitions, with or without any."""
        return self._is_subscribed

    async def measure_lag(self) -> Mapping[int, int]:
        """Return, and remember for metrics, the lag of the partitions that are owned here.

        Costs no look into the database. Raises `LogOutage`.
        """
        bounds = await self._log.bounds(self.topic.name)
        self._owned_lag = {
            partition: max(bounds[partition][1] - owned.offset, 0)
            for partition, owned in self._owned.items()
        }
        return self._owned_lag

    def observe_batches(self, observe: BatchObserver) -> None:
        """Let `observe` hear of each batch that is committed."""
        self.counts.observe = observe

    def readings(self) -> Iterator[Reading]:
        """Give what was counted, and the lag as it was measured last."""
        labels = (self.name, self.topic.name)
        yield from self.counts.readings(*labels)
        pending = sum(owned.pending_output for owned in self._owned.values())
        yield Reading(PENDING_OUTPUT, labels, pending)
        for partition, lag in self._owned_lag.items():
            yield Reading(LAG, (*labels, str(partition)), lag)
        for unknown in self.unknown_records:
            yield Reading(UNKNOWN_RECORDS, (*labels, str(unknown.partition), unknown.kind), 1)

    async def wait_for(self, position: Position, timeout_s: float) -> None:
        """Return once the record at this position is processed and committed.

        Raises `TimeoutError`. A partition owned by another instance is watched in the database.
        """
        partition, offset = position
        async with asyncio.timeout(timeout_s):
            while True:
                reached = self.position(partition)
                if reached is not None and reached > offset:
                    return
                if reached is not None:
                    await self._wait_here(partition, offset)
                elif (await self.positions()).get(partition, 0) > offset:
                    return
                else:
                    await asyncio.sleep(_LOOK_AGAIN_S)

    async def _wait_here(self, partition: int, offset: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (offset, future)
        self._waiters.setdefault(partition, []).append(waiter)
        try:
            await future
        finally:
            waiters = self._waiters.get(partition, [])
            if waiter in waiters:
                waiters.remove(waiter)

    def _wake_waiters(self, partition: int, reached: int | None) -> None:
        """Wake those whose record is done, or all when the partition is lost."""
        waiting = []
        for offset, future in self._waiters.pop(partition, ()):
            if reached is not None and reached <= offset:
                waiting.append((offset, future))
            elif not future.done():
                future.set_result(None)
        if waiting:
            self._waiters[partition] = waiting
