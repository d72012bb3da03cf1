"""A topic that replicas project into one database, each for its partitions, and all remember."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from base.clock import Clock
from base.database import Connection, Database
from base.metrics import Reading
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.tables import select_positions
from logs.following.followed_topic import FollowedTopic
from logs.following.gate import Gate
from logs.following.progress import TopicProgress
from logs.log import Log, Position, Record
from logs.tail_reader import Decoding
from logs.topics import Topic

T = TypeVar("T")
N = TypeVar("N")


Reject = Callable[[Message[T], str], None]
"""Puts a record that can't be projected into the topic Rejected, with the reason."""


class FollowedRecords(NamedTuple, Generic[T]):
    """Records of one partition that another process has projected, without a hole."""

    records: Sequence[tuple[int, T]]
    """With their offsets; those that cannot be decoded are left out."""
    next_offset: int
    """The first offset behind all of them."""


class Projection(Protocol[T, N]):
    """What a component makes of the records of one topic: rows, and from them what memory learns.

    The same news come both ways: from records that this process projects, and from those that
    another one has projected. Client sync has one for each stream of /sync that is written into its
    tables. A reader like push, which would keep unread counts in memory, would have its own.
    """

    @property
    def topic(self) -> Topic[T]:
        """What is projected."""
        ...

    @property
    def progress(self) -> TopicProgress:
        """How far memory is. It begins where the database was at the start (`stored_positions`)."""
        ...

    def write(self, connection: Connection, messages: Sequence[Message[T]], reject: Reject[T]) -> N:
        """Write a batch of one partition; return what memory learns once it is committed.

        What `logs.consumer.Processor.process` says holds here, too.
        """
        ...

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[T]]
    ) -> Mapping[int, N]:
        """Return per partition what memory learns of records that another process projected.

        The stored rows are the witness: the other process may have dropped a record as a repeat,
        or refused it.
        """
        ...

    def learn(self, partition: int, news: N) -> None:
        """Take in what was committed, in each partition in order, and wake who waits for it.

        News begin at `progress` or before: what memory knows already is passed over. How far it is
        then, the caller notes.
        """
        ...


class _Learned(NamedTuple, Generic[N]):
    """What memory learns, and how far it is then."""

    news: N
    next_offset: int


class _Processor(Generic[T, N]):
    """Projects one partition, and lets memory learn what follows on what it knows."""

    def __init__(self, partition: int, projection: Projection[T, N], gate: Gate) -> None:
        self._partition: Final = partition
        self._projection: Final = projection
        self._gate: Final = gate
        self._start = self._next_offset = 0
        self._news: N | None = None
        gate.begin(partition)

    def process(
        self, connection: Connection, messages: Sequence[Message[T]], outbox: Outbox
    ) -> None:
        """Write a batch."""
        self._start = self._gate.start_of(self._partition, messages[0].position.offset)
        self._next_offset = messages[-1].position.offset + 1
        self._news = self._projection.write(connection, messages, outbox.reject)

    def committed(self) -> None:
        """Let memory follow."""
        if self._news is not None and self._gate.admits(self._partition, self._start):
            _learn(self._projection, self._partition, self._news, self._next_offset)
        self._news = None

    def aborted(self) -> None:
        """Forget the batch."""
        self._news = None


def _learn(projection: Projection[T, N], partition: int, news: N, next_offset: int) -> None:
    projection.learn(partition, news)
    projection.progress.advance(partition, next_offset)


class ProjectedTopic(Generic[T, N]):
    """The consumer of a projection, and what lets memory follow the other replicas."""

    def __init__(
        self,
        consumer: str,
        projection: Projection[T, N],
        log: Log,
        database: Database,
        *,
        followed_bytes: int,
        reach_timeout_s: float,
        clock: Clock | None = None,
        group: str | None = None,
    ) -> None:
        """Take the consumer's name, what it projects, and into which database; starts nothing.

        At most `followed_bytes` of records wait until the database shows them projected. `reached`
        waits no longer than `reach_timeout_s`. Consumers of one `group` share the partitions.
        """
        topic = projection.topic
        self.name: Final = topic.name
        self.consumer: Final = Consumer(
            consumer, topic, self._processor, log, database, clock=clock, group=group
        )
        self.progress: Final = projection.progress
        self._projection: Final = projection
        self._gate: Final = Gate(projection.progress, self.consumer.position)
        self._decoding: Final = Decoding(consumer, topic)
        self._reach_timeout_s: Final = reach_timeout_s
        self.followed: Final[FollowedTopic[_Learned[N]]] = FollowedTopic(
            topic.name,
            self._gate,
            partitions=log.partition_count(topic.name),
            confirm=self._confirm,
            learn=self._learn,
            max_bytes=followed_bytes,
        )
        """For the `Follower`."""

    def _processor(self, partition: int) -> _Processor[T, N]:
        return _Processor(partition, self._projection, self._gate)

    def _confirm(
        self, connection: Connection, followed: Mapping[int, Sequence[Record]]
    ) -> Mapping[int, _Learned[N]]:
        told: dict[int, FollowedRecords[T]] = {}
        for partition, records in followed.items():
            decoded = self._decoding.decode(records)
            if decoded:
                known = [(record.offset, value) for record, value in decoded if value is not None]
                told[partition] = FollowedRecords(known, decoded[-1][0].offset + 1)
        return {
            partition: _Learned(news, told[partition].next_offset)
            for partition, news in self._projection.confirm(connection, told).items()
        }

    def _learn(self, partition: int, learned: _Learned[N]) -> None:
        _learn(self._projection, partition, *learned)

    async def reached(self, partition: int, end: int) -> None:
        """Return once everything before this offset is projected, and known to memory.

        May raise `TimeoutError`.
        """
        if not self._gate.is_followed(partition):
            # The consumer knows of records that needed no projection, too.
            await self.consumer.wait_for(
                Position(partition, end - 1), timeout_s=self._reach_timeout_s
            )
            if not self._gate.is_followed(partition):
                return
        await self.progress.reached(partition, end)

    def readings(self) -> Iterator[Reading]:
        """Give what was counted of the records that other processes project, for metrics."""
        return self._decoding.readings()


async def stored_positions(
    log: Log, database: Database, consumer: str, topics: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Return by topic how far each partition is projected: where memory begins."""

    def work(connection: Connection) -> dict[tuple[str, int], int]:
        return select_positions(connection, consumer)

    positions = await database.read(work)
    return {
        topic: tuple([positions.get((topic, one), 0) for one in range(log.partition_count(topic))])
        for topic in topics
    }
