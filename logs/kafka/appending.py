"""Appends to Kafka: one batch per partition is under way, the next one gathers meanwhile."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from logs.kafka.settings import KafkaLogSettings
from logs.log import LogOutage, Outgoing, Position

logger = logging.getLogger(__name__)

_ROOM_FOR_HEADERS: Final = 50_000
_CLOSE_S: Final = 5.0


class _Append:
    """One call of `append`: its records may end up in several batches."""

    __slots__ = ("done", "left", "positions", "size")

    def __init__(self, count: int, size: int) -> None:
        self.left = count
        self.size = size
        self.positions: list[Position | None] = [None] * count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


_Item = tuple[Outgoing, _Append, int]


class Producer:
    """The idempotent producer, made again after every failure.

    After a failure it cannot know which sequence numbers the broker has: it would refuse all
    that follows.
    """

    def __init__(self, settings: KafkaLogSettings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._current: AIOKafkaProducer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self) -> AIOKafkaProducer:
        """Return the producer, connected. Raises `KafkaError`."""
        async with self._lock:
            if self._current is None:
                settings = self._settings
                producer = AIOKafkaProducer(
                    **settings.connection(),
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=settings.linger_ms,
                    compression_type=None if settings.compression == "none" else "gzip",
                    max_batch_size=settings.max_record_bytes + _ROOM_FOR_HEADERS,
                    max_request_size=settings.max_record_bytes + _ROOM_FOR_HEADERS,
                )
                try:
                    # It gives up by itself; a cancelled start would leave a connection behind.
                    async with asyncio.timeout(3 * settings.append_timeout_s):
                        await producer.start()
                except BaseException:
                    await self._stop(producer)
                    raise
                self._current = producer
            return self._current

    def discard(self, producer: AIOKafkaProducer) -> None:
        """Use this one no longer."""
        if self._current is producer:
            self._current = None
            task = asyncio.get_running_loop().create_task(self._stop(producer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Send what waits and disconnect."""
        async with self._lock:
            if self._current is not None:
                await self._stop(self._current)
                self._current = None
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await producer.stop()
        except (KafkaError, TimeoutError, OSError) as error:
            logger.debug("a producer could not be closed", extra={"error": str(error)})
            await producer.client.close()


class _Lane:
    """The queue of one partition."""

    def __init__(self, appender: "Appender", topic: str, partition: int) -> None:
        self._appender = appender
        self._topic = topic
        self._partition = partition
        self._waiting: deque[_Item] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, item: _Item) -> None:
        """Queue a record."""
        self._waiting.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    async def finish(self) -> None:
        """Wait until nothing is queued."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _send_all(self) -> None:
        # What was appended in the same turn of the event loop shares the first batch.
        await asyncio.sleep(0)
        while self._waiting:
            taken: list[_Item] = []
            try:
                producer = await self._appender.producer.get()
            except (KafkaError, TimeoutError, OSError) as error:
                taken.extend(self._waiting)
                self._waiting.clear()
                self._appender.fail(taken, error)
                return
            try:
                first = await self._send_batch(producer, taken)
            except (KafkaError, TimeoutError, OSError) as error:
                self._appender.producer.discard(producer)
                self._appender.fail(taken, error)
            else:
                self._appender.resolve(taken, self._partition, first)

    async def _send_batch(self, producer: AIOKafkaProducer, taken: list[_Item]) -> int:
        batch = producer.create_batch()
        while self._waiting:
            outgoing, append, _ = item = self._waiting[0]
            # The rest of an append that has failed must not come before its repetition.
            if not append.done.done() and not _put(batch, outgoing):
                break
            self._waiting.popleft()
            if append.done.done():
                self._appender.settle(append)
            else:
                taken.append(item)
        if not taken:
            return 0
        batch.close()
        # The producer gives up by itself; twice its time is for when it does not.
        async with asyncio.timeout(2 * self._appender.timeout_s):
            sent = await producer.send_batch(batch, self._topic, partition=self._partition)
            return int((await sent).offset)


def _put(batch: object, outgoing: Outgoing) -> bool:
    key, value, origin = outgoing
    headers: list[tuple[str, bytes]] = []
    if origin is not None:
        headers = [
            ("stream", origin.stream.encode()),
            ("sequence", str(origin.sequence).encode()),
        ]
    added = batch.append(  # type: ignore[attr-defined]
        timestamp=None, key=key.encode(), value=value, headers=headers
    )
    return added is not None


class Appender:
    """Queues records per partition, within a bound of bytes."""

    def __init__(self, settings: KafkaLogSettings) -> None:
        self.producer: Final = Producer(settings)
        self.timeout_s: Final = settings.append_timeout_s
        self._max_queued_bytes = settings.max_queued_bytes
        self._queued_bytes = 0
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._blocked: deque[tuple[str, Sequence[tuple[int, Outgoing]], _Append]] = deque()

    async def append(
        self, topic: str, records: Sequence[tuple[int, Outgoing]], size: int
    ) -> Sequence[Position]:
        """Append records of `size` bytes to their partitions and return their positions."""
        append = _Append(len(records), size)
        if self._blocked or not self._has_room(size):
            self._blocked.append((topic, records, append))
        else:
            self._queue(topic, records, append)
        await append.done
        return [position for position in append.positions if position is not None]

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the brokers."""
        return self._queued_bytes

    def _has_room(self, size: int) -> bool:
        return self._queued_bytes == 0 or self._queued_bytes + size <= self._max_queued_bytes

    def _queue(self, topic: str, records: Sequence[tuple[int, Outgoing]], append: _Append) -> None:
        self._queued_bytes += append.size
        for index, (partition, outgoing) in enumerate(records):
            lane = self._lanes.get((topic, partition))
            if lane is None:
                lane = self._lanes[topic, partition] = _Lane(self, topic, partition)
            lane.put((outgoing, append, index))

    def resolve(self, items: Sequence[_Item], partition: int, first: int) -> None:
        """Note the offsets of a batch that is durable."""
        for offset, (_, append, index) in enumerate(items, first):
            append.positions[index] = Position(partition, offset)
            self.settle(append)
            if append.left == 0 and not append.done.done():
                append.done.set_result(None)
        self._admit()

    def fail(self, items: Sequence[_Item], error: Exception) -> None:
        """Report an outage to those whose records were in a batch."""
        logger.debug("Kafka did not take records", extra={"error": str(error)})
        for _, append, _ in items:
            if not append.done.done():
                append.done.set_exception(LogOutage(f"Kafka did not take the records: {error!r}"))
            self.settle(append)
        self._admit()

    def settle(self, append: _Append) -> None:
        """Note that one record of an append needs no more work."""
        append.left -= 1
        if append.left == 0:
            self._queued_bytes -= append.size

    def _admit(self) -> None:
        while self._blocked and self._has_room(self._blocked[0][2].size):
            topic, records, append = self._blocked.popleft()
            if not append.done.done():
                self._queue(topic, records, append)

    async def close(self) -> None:
        """Send what waits and disconnect."""
        for lane in self._lanes.values():
            await lane.finish()
        await self.producer.close()
