"""Reading from Kafka: members of groups, and readers of all partitions."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from base.backoff import Backoff
from logs.kafka.settings import KafkaLogSettings
from logs.log import LogOutage, Origin, Ownership, Position, Record, RecordsLost

logger = logging.getLogger(__name__)

_POLL_MS: Final = 1000
_CLOSE_S: Final = 10.0
_REBALANCE_MS: Final = 20_000
"""How long a member that cannot finish its batch holds up a rebalance; then it is fenced."""
_LOOKS_AT_END: Final = 6


class Places:
    """Where the next record of each partition must be, so that none is ever skipped."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.next: dict[int, int] = {}

    def accept(
        self, batches: Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]
    ) -> dict[int, Sequence[Record]]:
        """Return the records of partitions that are read. Raises `RecordsLost` at a hole."""
        accepted: dict[int, Sequence[Record]] = {}
        for (_, partition), found in batches.items():
            place = self.next.get(partition)
            if place is None or not found:
                continue
            if found[0].offset != place or found[-1].offset != place + len(found) - 1:
                raise RecordsLost(
                    f"{self._topic}/{partition} goes on at {found[0].offset}, the reader is at "
                    f"{place}: what lies between was dropped. Rebuild the reader."
                )
            self.next[partition] = place + len(found)
            accepted[partition] = [_record(record) for record in found]
        return accepted


def _record(found: Any) -> Record:
    origin = None
    if found.headers:
        headers = dict(found.headers)
        if "stream" in headers:
            origin = Origin(headers["stream"].decode(), int(headers["sequence"]))
    return Record(
        found.partition,
        found.offset,
        "" if found.key is None else found.key.decode(),
        b"" if found.value is None else found.value,
        found.timestamp,
        origin,
    )


async def take(
    consumer: "AIOKafkaConsumer[bytes, bytes]", places: Places, max_records: int
) -> dict[int, Sequence[Record]]:
    """Wait about a second for records and return what there is."""
    try:
        return places.accept(await consumer.getmany(timeout_ms=_POLL_MS, max_records=max_records))
    except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
        raise RecordsLost(f"The reader's position is not in the topic: {error}") from error
    except KafkaError as error:
        raise LogOutage(f"Kafka cannot be read: {error!r}") from error


async def fetch_bounds(
    consumer: "AIOKafkaConsumer[bytes, bytes]", topic: str, partitions: Collection[int]
) -> dict[int, tuple[int, int]]:
    """Return per partition the first offset that is kept and the next one to be written."""
    wanted = [TopicPartition(topic, partition) for partition in partitions]
    try:
        first = await consumer.beginning_offsets(wanted)
        end = await consumer.end_offsets(wanted)
    except (KafkaError, OSError) as error:
        raise LogOutage(f"Kafka does not tell its offsets: {error!r}") from error
    return {place.partition: (first[place], end[place]) for place in wanted}


async def fetch_ends(
    consumer: "AIOKafkaConsumer[bytes, bytes]", partitions: Mapping[str, int]
) -> dict[str, list[int]]:
    """Return for each topic, given with its number of partitions, the ends of all of these."""
    places = {
        topic: [TopicPartition(topic, number) for number in range(count)]
        for topic, count in partitions.items()
    }
    wanted = [place for ones in places.values() for place in ones]
    try:
        end = await consumer.end_offsets(wanted)
    except (KafkaError, OSError) as error:
        raise LogOutage(f"Kafka does not tell its offsets: {error!r}") from error
    return {topic: [end[place] for place in ones] for topic, ones in places.items()}


Ask = Callable[[], Awaitable[Mapping[int, tuple[int, int]]]]
"""Gives the bounds of a topic, over a connection that no waiting fetch holds up."""


async def require_kept(ask: Ask, topic: str, starts: Mapping[int, int]) -> None:
    """Raise `RecordsLost` if one of the offsets to start from is not in the topic."""
    backoff = Backoff()
    for look in range(_LOOKS_AT_END):
        bounds = await ask()
        past = [place for place in starts if starts[place] > bounds[place][1]]
        before = [place for place in starts if starts[place] < bounds[place][0]]
        if not past and not before:
            return
        # A broker that has just become leader learns only after a while how far readers were.
        if before or look == _LOOKS_AT_END - 1:
            partition = (before + past)[0]
            raise RecordsLost(
                f"{topic}/{partition} has the offsets from {bounds[partition][0]} to "
                f"{bounds[partition][1]}, the reader is at {starts[partition]}. Rebuild the reader."
            )
        await backoff.wait()


class KafkaMember(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """A member of a consumer group; positions come from the owner, never from Kafka."""

    def __init__(
        self, settings: KafkaLogSettings, topic: str, group: str, ownership: Ownership, ask: Ask
    ) -> None:
        self._ask = ask
        self._topic = topic
        self._ownership = ownership
        self._places = Places(topic)
        self._failure: Exception | None = None
        self._closing = asyncio.Event()
        self._commit_interval_s = settings.commit_interval_s
        self._next_commit_s = 0.0
        self._commit: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
            **settings.connection(),
            group_id=group,
            group_instance_id=f"{settings.instance_id}.{topic}" if settings.instance_id else None,
            enable_auto_commit=False,
            # Until `assigned` has answered, the fetcher looks for a position of its own: what it
            # reads is not accepted, and a jump later on is noticed.
            auto_offset_reset="earliest",
            session_timeout_ms=int(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(settings.heartbeat_s * 1000),
            rebalance_timeout_ms=_REBALANCE_MS,
        )

    async def start(self) -> None:
        """Connect and join. Raises `LogOutage`."""
        self._consumer.subscribe([self._topic], listener=self)
        await _start(self._consumer)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Give up partitions before others get them; called by aiokafka."""
        lost = sorted(self._places.next.keys() & {place.partition for place in revoked})
        for partition in lost:
            del self._places.next[partition]
        if not lost:
            return
        try:
            await self._ownership.revoked(lost)
        except Exception as error:  # noqa: BLE001 — aiokafka would swallow it: `read` raises it
            self._failure = error

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Learn where to read new partitions; called by aiokafka."""
        numbers = sorted(place.partition for place in assigned)
        if not numbers:
            return
        # Or a fetch from a position of Kafka's would be waited for before the first of ours.
        self._consumer.pause(*assigned)
        try:
            starts = await self._ownership.assigned(numbers)
            await self._check(starts)
            for partition, offset in starts.items():
                self._consumer.seek(TopicPartition(self._topic, partition), offset)
                self._places.next[partition] = offset
            self._consumer.resume(*assigned)
        except Exception as error:  # noqa: BLE001 — aiokafka would swallow it: `read` raises it
            self._failure = error

    async def _check(self, starts: Mapping[int, int]) -> None:
        backoff = Backoff()
        while not self._closing.is_set():
            try:
                await require_kept(self._ask, self._topic, starts)
            except LogOutage as outage:
                logger.debug("a new owner waits for Kafka", extra={"outage": str(outage)})
                await backoff.wait(self._closing)
            else:
                return

    async def read(self, *, max_records: int) -> Mapping[int, Sequence[Record]]:
        """Wait for records and return some."""
        self._note_positions()
        while True:
            if self._failure is not None:
                raise self._failure
            if self._closing.is_set():
                raise LogOutage("The subscription is closed.")
            batch = await take(self._consumer, self._places, max_records)
            if batch:
                return batch

    def _note_positions(self) -> None:
        """Now and then tell Kafka where this member is: what was read before is processed."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._next_commit_s or not self._places.next:
            return
        if self._commit is None or self._commit.done():
            self._next_commit_s = now_s + self._commit_interval_s
            places = {
                TopicPartition(self._topic, partition): offset
                for partition, offset in self._places.next.items()
            }
            self._commit = asyncio.get_running_loop().create_task(self._commit_places(places))

    async def _commit_places(self, places: Mapping[TopicPartition, int]) -> None:
        try:
            await self._consumer.commit(dict(places))
        except (KafkaError, OSError) as error:
            logger.debug("positions were not noted in Kafka", extra={"error": str(error)})

    def seek(self, position: Position) -> None:
        """Let the next read of an owned partition begin here."""
        partition, offset = position
        if partition in self._places.next:
            self._consumer.seek(TopicPartition(self._topic, partition), offset)
            self._places.next[partition] = offset

    def hold(self, position: Position) -> None:
        """Read an owned partition no further, until it is assigned again."""
        self.seek(position)
        if position.partition in self._places.next:
            self._consumer.pause(TopicPartition(self._topic, position.partition))

    async def close(self) -> None:
        """Give up the partitions and leave."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._commit is not None:
            await asyncio.wait([self._commit], timeout=_CLOSE_S)
            self._commit.cancel()
        owned = sorted(self._places.next)
        self._places.next.clear()
        try:
            if owned:
                await self._ownership.revoked(owned)
        finally:
            await _stop(self._consumer)


class KafkaTail:
    """A reader of all partitions of a topic."""

    def __init__(self, settings: KafkaLogSettings, topic: str, starts: Mapping[int, int]) -> None:
        self._topic = topic
        self._starts = starts
        self._places = Places(topic)
        self._is_closed = False
        self._consumer: AIOKafkaConsumer[bytes, bytes] = AIOKafkaConsumer(
            **settings.connection(), group_id=None, auto_offset_reset="earliest"
        )

    async def start(self) -> None:
        """Connect and go to the places to read from. Raises `LogOutage`."""
        await _start(self._consumer)
        places = {TopicPartition(self._topic, number): at for number, at in self._starts.items()}
        self._consumer.assign(list(places))
        for place, offset in places.items():
            self._consumer.seek(place, offset)
        self._places.next.update(self._starts)

    async def read(self) -> Sequence[Record]:
        """Wait for records and return them, each partition in order."""
        while True:
            if self._is_closed:
                raise LogOutage("The reader is closed.")
            batch = await take(self._consumer, self._places, 1000)
            if batch:
                return [record for records in batch.values() for record in records]

    async def close(self) -> None:
        """Stop reading."""
        self._is_closed = True
        await _stop(self._consumer)


async def _start(consumer: "AIOKafkaConsumer[bytes, bytes]") -> None:
    """Connect; what could not is stopped. Raises `LogOutage`."""
    try:
        await consumer.start()
    except BaseException as error:
        await _stop(consumer)
        if isinstance(error, KafkaError | OSError):
            raise LogOutage(f"Kafka cannot be reached: {error!r}") from error
        raise


async def _stop(consumer: "AIOKafkaConsumer[bytes, bytes]") -> None:
    # A task of the client's that is cancelled before it has begun would end the closing, too.
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(_CLOSE_S):
            await consumer.stop()
    except (KafkaError, TimeoutError, OSError) as error:
        logger.debug("a reader could not be closed", extra={"error": str(error)})
