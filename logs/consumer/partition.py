"""One owned partition: a batch becomes effects, output and a position in one transaction."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from base.backoff import Backoff
from base.clock import Clock
from base.database import Connection, Database, DatabaseDamaged, DatabaseOutage
from base.tracing import request_id
from logs.consumer import Processor
from logs.consumer.counts import ConsumerCounts
from logs.consumer.outbox import BatchOutbox, OutboxSender, Stream
from logs.consumer.preparing import PreparedBatch, prepare
from logs.consumer.tables import (
    Advance,
    ConsumerProgress,
    ConsumerStore,
    Fenced,
    OutboxBatch,
    Stored,
)
from logs.log import Log, LogDamaged, LogOutage, Record
from logs.topics import Topic, UndecodableRecord, UnknownKind
from logs.unknown_records import UnknownRecord, stand_still

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES: Final = 3
_HANDOVER_S: Final = 3.0
_OUTAGES: Final = (DatabaseOutage, LogOutage, OSError, MemoryError)
"""What says something about the machine and nothing about a record: tried again until it works."""


OnProcessed = Callable[[str, int, int], None]
"""Hears for which consumer and partition all inputs before an offset are done with."""

Concerns = Callable[[T], bool]
"""Tells of a record whether it may have effects or output, whatever came before it."""


class ConsumerParts(NamedTuple, Generic[T]):
    """What all partitions of a consumer share."""

    topic: Topic[T]
    log: Log
    database: Database
    store: ConsumerStore
    counts: ConsumerCounts
    clock: Clock
    on_processed: OnProcessed | None
    concerns: Concerns[T] | None
    """Without it every record is of concern."""


class _Result(NamedTuple):
    progress: ConsumerProgress
    output: OutboxBatch
    rejected: int


class OwnedPartition(Generic[T]):
    """The state of one partition from its assignment to its loss."""

    def __init__(
        self, parts: ConsumerParts[T], stream: Stream, stored: Stored, processor: Processor[T]
    ) -> None:
        self._parts = parts
        self._stream = stream
        self._processor = processor
        self._progress = stored.progress
        self._rows: Final = deque(offset for offset, _ in stored.outbox)
        """The offsets of the rows in the outbox, the oldest first."""
        self._lock = asyncio.Lock()
        self._stopping = asyncio.Event()
        self.offset = stored.offset
        """The next offset to process: all effects of what is before it are committed."""
        self._committed = stored.offset
        """The offset in the database: what is between the two had no effects."""
        self.unknown: UnknownRecord | None = None
        """The next record, if this version does not know its kind: no further is processed."""
        self._sender = OutboxSender(parts.log, stream, stored.outbox, self._tell_processed)
        self._tell_processed()

    @property
    def pending_output(self) -> int:
        """How many batches' output is not in the log yet."""
        return self._sender.pending_batches

    def ask_to_stop(self) -> None:
        """Give up waiting for an outage to end; a batch that makes progress is finished."""
        self._stopping.set()

    async def stop(self) -> None:
        """Return when nothing is under way; what is not appended is left to the next owner."""
        self._stopping.set()
        async with self._lock:
            await self._sender.stop(_HANDOVER_S)
            try:
                await self._commit_position()
            except (DatabaseOutage, Fenced) as left:
                # The next owner passes over the same records.
                logger.debug("a position is left behind", extra={"reason": str(left)})

    async def handle(self, records: Sequence[Record]) -> bool:
        """Process records that were read; false if they do not follow what was processed.

        Raises `Fenced` when another instance has moved the position.
        """
        async with self._lock:
            if records[0].offset < self.offset:
                # Read before the position was loaded again.
                records = [record for record in records if record.offset >= self.offset]
            if not records or self._stopping.is_set() or self.unknown is not None:
                return True
            if records[0].offset != self.offset:
                return False
            await self._await_room()
            try:
                await self._commit_through_outages(records, None)
            except (Fenced, LogDamaged, DatabaseDamaged):
                raise
            except Exception:
                self._parts.counts.failures += 1
                logger.exception("a batch could not be processed", extra=self._at(records[0]))
                await self._require_position()
                try:
                    await self._commit_one_by_one(records)
                finally:
                    request_id.set("")
        return True

    async def _await_room(self) -> None:
        while self._sender.is_full and not self._stopping.is_set():
            waits = {
                asyncio.ensure_future(self._sender.wait_for_change()),
                asyncio.ensure_future(self._stopping.wait()),
            }
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _require_position(self) -> None:
        """Raise `Fenced` if another instance is ahead: then its rows are in the way, no bug is."""
        try:
            offsets = await self._parts.database.read(self._parts.store.select_offsets)
        except _OUTAGES:
            return
        if offsets.get(self._stream.partition) != self._committed:
            raise Fenced(f"{self._stream} is no longer at {self._committed}.")

    async def _commit_one_by_one(self, records: Sequence[Record]) -> None:
        for record in records:
            # Whatever the processor logs now concerns this record.
            request_id.set(self._request_of(record))
            failure: Exception | None = None
            for _ in range(_TRIES):
                try:
                    await self._commit_through_outages([record], None)
                except (Fenced, DatabaseDamaged):
                    raise
                except Exception as error:
                    self._parts.counts.failures += 1
                    logger.exception("a record could not be processed", extra=self._at(record))
                    failure = error
                else:
                    failure = None
                    break
            if failure is not None:
                logger.error("a record goes to Rejected", extra=self._at(record))
                reason = f"{type(failure).__name__}: {failure}"
                await self._commit_through_outages([record], reason)
            if self._stopping.is_set() or self.unknown is not None:
                return

    async def _commit_through_outages(self, records: Sequence[Record], poison: str | None) -> None:
        """Commit, for as long as it takes; on return without it, stopping was asked for.

        Of a kind that this version does not know a record is not committed, nor what follows it.
        """
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                batch = prepare(
                    records, poison, self._progress.seen, self._parts.topic, self._parts.counts
                )
                if self._is_of_concern(batch):
                    await self._commit(batch, durable=poison is not None)
                elif batch.records:
                    self._pass_over(batch)
            except _OUTAGES as error:
                self._parts.counts.outages += 1
                # Of the database's outage the process tells once; any other is news.
                logger.log(
                    logging.DEBUG if isinstance(error, DatabaseOutage) else logging.WARNING,
                    "a partition waits for an outage to end",
                    extra={**self._at(records[0]), "outage": str(error) or type(error).__name__},
                )
                await backoff.wait(self._stopping)
            else:
                if batch.unknown is not None:
                    self.unknown = stand_still(self._stream.consumer, *batch.unknown)
                return

    def _is_of_concern(self, batch: PreparedBatch[T]) -> bool:
        concerns = self._parts.concerns
        if concerns is None:
            return bool(batch.records)
        return bool(batch.undecodable) or any(concerns(one.value) for one in batch.messages)

    def _pass_over(self, batch: PreparedBatch[T]) -> None:
        """Go on behind records without effects: that costs no transaction."""
        self._progress = msgspec.structs.replace(self._progress, seen=batch.seen)
        self.offset = batch.records[-1].offset + 1
        self._tell_processed()
        self._measure(batch, 0.0)

    @property
    def is_ahead(self) -> bool:
        """Whether records were passed over whose end is not in the database yet."""
        return self.offset != self._committed

    async def commit_position(self) -> None:
        """Commit how far records were passed over. Raises `Fenced` and `DatabaseOutage`."""
        async with self._lock:
            await self._commit_position()

    async def _commit_position(self) -> None:
        if not self.is_ahead:
            return
        after = self.offset
        advance = Advance(self._committed, after, self._progress, [], None)

        def work(connection: Connection) -> None:
            self._parts.store.advance(connection, self._stream.partition, advance)

        await self._parts.database.write(work)
        self._committed = after

    async def _commit(self, batch: PreparedBatch[T], *, durable: bool) -> None:
        started = perf_counter()
        after = batch.records[-1].offset + 1
        reused = self._reusable()

        def work(connection: Connection) -> _Result:
            outbox = BatchOutbox(self._stream, self._parts.log, batch.records)
            for record, reason in batch.undecodable:
                outbox.reject_record(record, reason)
            if batch.messages:
                self._processor.process(connection, batch.messages, outbox)
            output, given = outbox.numbered(self._progress)
            old = self._progress
            progress = ConsumerProgress(old.generation, old.first, batch.seen, given, old.numbering)
            advance = Advance(self._committed, after, progress, output, reused)
            self._parts.store.advance(connection, self._stream.partition, advance)
            return _Result(progress, output, outbox.rejected)

        try:
            result = await self._parts.database.write(work, durable=durable)
        except BaseException:
            if batch.messages:
                self._processor.aborted()
            raise
        self._progress = result.progress
        self.offset = self._committed = after
        if result.output:
            if reused is not None:
                self._rows.popleft()
            self._rows.append(after)
            self._sender.put(after, result.output)
        else:
            self._tell_processed()
        if batch.messages:
            self._processor.committed()
        self._parts.counts.rejected += result.rejected
        self._measure(batch, perf_counter() - started)

    def _tell_processed(self) -> None:
        """Let those know who wait for inputs, unless output is under way, which tells it then."""
        tell = self._parts.on_processed
        if tell is None:
            return
        is_all_appended = not self._sender.pending_batches
        done = self.offset if is_all_appended else self._sender.appended
        if done is not None:
            tell(self._stream.consumer, self._stream.partition, done)

    def _measure(self, batch: PreparedBatch[T], seconds: float) -> None:
        counts = self._parts.counts
        counts.batch_records.observe(len(batch.records))
        counts.batch_seconds.observe(seconds)
        delay_ms = self._parts.clock.now_ms() - batch.records[0].timestamp_ms
        # Kafka's brokers have clocks of their own.
        counts.delay_seconds.observe(max(delay_ms, 0) / 1000)
        if counts.observe is not None:
            counts.observe(self._stream.consumer, self._stream.topic, batch.messages, seconds)

    async def forget_sent(self) -> None:
        """Delete output that is in the log from the outbox. Raises `DatabaseOutage`."""
        async with self._lock:
            appended = self._sender.appended
            if self._reusable() is None or appended is None:
                return
            partition = self._stream.partition

            def work(connection: Connection) -> None:
                self._parts.store.delete_output(connection, partition, appended)

            await self._parts.database.write(work)
            while self._rows and self._rows[0] <= appended:
                self._rows.popleft()

    def _reusable(self) -> int | None:
        """Return the oldest row of the outbox, if what it holds is in the log."""
        appended = self._sender.appended
        if appended is None or not self._rows or self._rows[0] > appended:
            return None
        return self._rows[0]

    def _at(self, record: Record) -> dict[str, object]:
        fields: dict[str, object] = {"stream": tuple(self._stream), "offset": record.offset}
        if request := self._request_of(record):
            fields["request"] = request
        return fields

    def _request_of(self, record: Record) -> str:
        """Return the ID of the request that a record comes from, if it says so."""
        try:
            value = self._parts.topic.decode(record.value)
        except (UndecodableRecord, UnknownKind):
            return ""
        return getattr(value, "request_id", "")
