"""The outbox: what a batch puts out, numbered per stream and partition, and sent in order."""

import asyncio
import logging
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from base.backoff import Backoff
from logs.consumer import Message
from logs.consumer.tables import ConsumerProgress, OutboxBatch
from logs.log import Log, LogOutage, Origin, Outgoing, Record, RecordTooLarge
from logs.records.rejected import RejectedRecord
from logs.topics import REJECTED, Topic

logger = logging.getLogger(__name__)

U = TypeVar("U")

_REJECTED_ROOM_BYTES: Final = 8192
_MAX_PENDING: Final = 16


class Stream(NamedTuple):
    """A consumer's input partition, as the source of output."""

    consumer: str
    topic: str
    partition: int

    def origin_name(self, progress: ConsumerProgress) -> str:
        """Return the name in records' origins.

        A consumer that was rebuilt begins elsewhere (`first`) and so numbers its output
        otherwise, as one that was bound to another log: under another name, or readers would take
        new records for repeats.
        """
        name = f"{self.consumer}/{self.topic}/{self.partition}"
        numbering = progress.numbering or (str(progress.first) if progress.first else "")
        return f"{name}@{numbering}" if numbering else name


class Numbers:
    """Gives numbers to the output of a stream, in each partition from where it was left."""

    def __init__(self, name: str, given: Mapping[str, Mapping[int, int]], log: Log) -> None:
        self.given: Final = {topic: dict(numbers) for topic, numbers in given.items()}
        """Per topic and partition the next number."""
        self._name = name
        self._log = log
        self._output: dict[str, list[Outgoing]] = {}

    @property
    def output(self) -> OutboxBatch:
        """What was numbered, in order."""
        return list(self._output.items())

    def add(self, topic: str, key: str, value: bytes) -> None:
        """Number a record."""
        partition = self._log.partition_of(topic, key)
        numbers = self.given.setdefault(topic, {})
        sequence = numbers.get(partition, 0)
        numbers[partition] = sequence + 1
        self._output.setdefault(topic, []).append(
            Outgoing(key, value, Origin(self._name, sequence))
        )


class BatchOutbox:
    """The outbox that a processor is given for one batch."""

    def __init__(self, stream: Stream, log: Log, records: Sequence[Record]) -> None:
        self._stream = stream
        self._log = log
        self._records = records
        self._puts: list[tuple[str, str, bytes]] = []
        self._rejects: list[tuple[int, bytes]] = []
        self._keys: dict[int, str] = {}

    @property
    def rejected(self) -> int:
        """How many records were rejected."""
        return len(self._rejects)

    def put(self, topic: Topic[U], key: str, value: U) -> None:
        """Append this after the commit. Raises `RecordTooLarge`."""
        data = topic.encode(value)
        if len(data) + len(key) > self._log.max_record_bytes:
            raise RecordTooLarge(f"A {topic.name} record of {len(data)} bytes is over the limit.")
        self._puts.append((topic.name, key, data))

    def reject(self, message: Message[Any], reason: str) -> None:
        """Send the message to the topic Rejected."""
        offset = message.position.offset
        place = bisect_left(self._records, offset, key=_offset)
        self.reject_record(self._records[place], reason)

    def reject_record(self, record: Record, reason: str) -> None:
        """Send a record, perhaps undecodable, to the topic Rejected."""
        room = max(0, self._log.max_record_bytes - _REJECTED_ROOM_BYTES)
        consumer, topic, partition = self._stream
        rejected = RejectedRecord(
            topic=topic,
            partition=partition,
            offset=record.offset,
            consumer=consumer,
            key=record.key,
            value=record.value[:room],
            reason=reason[:1000],
        )
        self._rejects.append((record.offset, REJECTED.encode(rejected)))
        self._keys[record.offset] = record.key

    def numbered(self, progress: ConsumerProgress) -> tuple[OutboxBatch, dict[str, dict[int, int]]]:
        """Return the output with its numbers, and the numbers given after it.

        Rejects are ordered by offset: whether they were found while decoding or by the
        processor, and however the input is cut into batches, each keeps its number.
        """
        if not self._puts and not self._rejects:
            return [], progress.given
        numbers = Numbers(self._stream.origin_name(progress), progress.given, self._log)
        for topic, key, data in self._puts:
            numbers.add(topic, key, data)
        for offset, data in sorted(self._rejects, key=_first):
            numbers.add(REJECTED.name, self._keys[offset], data)
        return numbers.output, numbers.given


def _offset(record: Record) -> int:
    return record.offset


def _first(reject: tuple[int, bytes]) -> int:
    return reject[0]


class OutboxSender:
    """Appends the output of committed batches of one partition, in order, while others follow."""

    def __init__(
        self,
        log: Log,
        stream: Stream,
        pending: Sequence[tuple[int, OutboxBatch]],
        on_appended: Callable[[], None],
    ) -> None:
        self._log = log
        self._stream = stream
        self._on_appended = on_appended
        self._pending: deque[tuple[int, OutboxBatch]] = deque(pending)
        self._changed = asyncio.Event()
        self._is_out = False
        self.appended: int | None = None
        """Output of batches up to this offset is durable in the log."""
        self._task: asyncio.Task[None] | None = None
        self._start()

    @property
    def pending_batches(self) -> int:
        """How many batches wait to be appended."""
        return len(self._pending)

    @property
    def is_full(self) -> bool:
        """Tell whether so much waits that no further batch should be processed."""
        return len(self._pending) >= _MAX_PENDING

    def put(self, offset: int, output: OutboxBatch) -> None:
        """Append this after all that was put before."""
        self._pending.append((offset, output))
        self._start()

    async def wait_for_change(self) -> None:
        """Wait until something has been appended."""
        self._changed.clear()
        await self._changed.wait()

    async def stop(self, timeout_s: float) -> None:
        """Give what waits this long to be appended; the next owner sends the rest again."""
        if self._task is None:
            return
        if not self._is_out:
            await asyncio.wait([self._task], timeout=timeout_s)
        self._task.cancel()
        await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._pending and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        backoff = Backoff()
        while self._pending:
            batches = list(self._pending)
            try:
                await self._append(batches)
            except LogOutage as outage:
                self._is_out = True
                logger.debug(
                    "the outbox waits for the log",
                    extra={"stream": self._stream, "outage": str(outage)},
                )
                await backoff.wait()
            except Exception:
                self._is_out = True
                # Nothing of it may be left out: it is tried until an operator has helped.
                logger.exception("the outbox cannot be sent", extra={"stream": self._stream})
                await backoff.wait()
            else:
                backoff.reset()
                self._is_out = False
                for _ in batches:
                    self._pending.popleft()
                self.appended = batches[-1][0]
                self._changed.set()
                self._on_appended()

    async def _append(self, batches: Sequence[tuple[int, OutboxBatch]]) -> None:
        if len(batches) == 1 and len(batches[0][1]) == 1:
            [(topic, records)] = batches[0][1]
            await self._log.append(topic, records)
            return
        merged: dict[str, list[Outgoing]] = {}
        for _, output in batches:
            for topic, records in output:
                merged.setdefault(topic, []).extend(records)
        results = await asyncio.gather(
            *(self._log.append(topic, records) for topic, records in merged.items()),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
