"""What a log is: topics of partitions of numbered records, durable before they are seen.

Kafka (`logs.kafka`) and the embedded log (`logs.embedded`) are both this, and pass the same
conformance tests.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from base.metrics import Reading
from logs.append_metrics import AppendObserver


class LogOutage(Exception):
    """The log cannot take or give records now: broker away, disk full, or closed. Try again."""


class LogBroken(Exception):
    """The disk has failed under the log: it takes nothing more until it is opened again."""


class RecordTooLarge(Exception):
    """The record is over the log's limit of one record: nothing was appended."""


class RecordsLost(Exception):
    """The position is not in the topic: trimmed, or of another log. Rebuild the reader."""


class LogReplaced(RecordsLost):
    """The position is of another log: database and log do not belong together."""


class LogDamaged(Exception):
    """Records that were stored can no longer be read as they were written."""


class LogMismatch(Exception):
    """The log as stored has other topics or partitions than were asked for."""


class Position(NamedTuple):
    """The place of one record in a topic."""

    partition: int
    offset: int


class Origin(NamedTuple):
    """The number that an outbox gives to what it writes, by which repeats are known.

    `stream` names the consumer and the input partition that the record is derived from;
    `sequence` counts from 0 per stream and output partition, without holes.
    """

    stream: str
    sequence: int


class Outgoing(NamedTuple):
    """A record to append. Equal keys go to the same partition, in the order appended."""

    key: str
    value: bytes
    origin: Origin | None = None


class Record(NamedTuple):
    """A record as read."""

    partition: int
    offset: int
    key: str
    value: bytes
    timestamp_ms: int
    origin: Origin | None


class LogRun(NamedTuple):
    """A time in which a log was written without being put back to an older state."""

    name: str
    """Random; empty where runs are not told apart."""
    ends: Mapping[str, Sequence[int]] | None
    """By topic and partition the next offset that was to be written; None for the present run."""


ONE_RUN: Final = (LogRun("", None),)
"""Of a log that does not know whether it was put back."""


class Subscription(Protocol):
    """A member of a consumer group: the partitions that it owns, and their records.

    `assigned` and `revoked` are awaited by the implementation before records of a partition are
    given, and before it goes to another member; `assigned` answers with the offset to read from.
    """

    async def read(self, *, max_records: int) -> Mapping[int, Sequence[Record]]:
        """Wait for records and return some per partition, each partition in order, from any.

        Raises `LogOutage`; the call can be repeated and nothing is skipped.
        """
        ...

    def seek(self, position: Position) -> None:
        """Let the next read of an owned partition begin at this offset."""
        ...

    def hold(self, position: Position) -> None:
        """Read an owned partition no further than to this offset, until it is assigned again."""
        ...

    async def close(self) -> None:
        """Leave the group, so that others take over at once; `revoked` is awaited before."""
        ...


class Tail(Protocol):
    """A reader of all partitions that is in no group."""

    async def read(self) -> Sequence[Record]:
        """Wait for records and return them, each partition in order. Raises `LogOutage`."""
        ...

    async def close(self) -> None:
        """Stop reading."""
        ...


class Ownership(Protocol):
    """What hears of partitions coming and going: the consumer loop."""

    async def assigned(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Return for each partition the offset of the first record to read.

        An offset below the start of the topic means that records were trimmed before this
        consumer saw them, one past its end that the log is another one: the log raises
        `RecordsLost` from `read`.
        """
        ...

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Stop working on these partitions; on return, nothing of them is under way."""
        ...


class Log(Protocol):
    """A durable log of topics."""

    def partition_count(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        ...

    def partition_of(self, topic: str, key: str) -> int:
        """Return the partition that records with this key go to."""
        ...

    async def append(self, topic: str, records: Sequence[Outgoing]) -> Sequence[Position]:
        """Append and return the positions once all are durable.

        Records of one call, and of calls made one after another without waiting, keep their
        order within a partition. Raises `LogOutage` when durability is not certain (a record may
        then be there or not) and `RecordTooLarge`.
        """
        ...

    async def subscribe(self, topic: str, group: str, ownership: Ownership) -> Subscription:
        """Join a consumer group; each partition is owned by one member at a time."""
        ...

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> "Tail":
        """Read all partitions, without a group, from `start` or from the end as it is on return."""
        ...

    async def bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Return per partition the first offset that is kept and the next one to be written."""
        ...

    async def ends(self, topics: Sequence[str]) -> Mapping[str, Sequence[int]]:
        """Return for each topic the next offset to be written, partition by partition.

        Whatever `append` had returned before the call is in front of it, whoever appended. Costs
        little also where it is asked with every request.
        """
        ...

    async def trim(self, topic: str, before: Mapping[int, int]) -> None:
        """Allow the log to drop the records below these offsets, per partition."""
        ...

    @property
    def max_record_bytes(self) -> int:
        """The limit of one record's key and value together."""
        ...

    @property
    def generation(self) -> str:
        """A name that changes when offsets begin again: tokens of another one are void."""
        ...

    @property
    def runs(self) -> Sequence[LogRun]:
        """The runs whose positions mean something here, the present one last.

        A position at which a run was never is of records that are lost, as after a backup was
        restored: other records have come or will come to its place.
        """
        return ONE_RUN

    async def check(self) -> None:
        """Return if records can be appended and read. Raises `LogOutage`."""
        ...

    async def watch(self) -> None:
        """Wait for ever, unless nothing can be appended before it is opened again.

        Raises `LogBroken` then: the process has to end and start again.
        """
        await asyncio.Event().wait()

    def observe_appends(self, observe: AppendObserver) -> None:
        """Let `observe` hear of each append, confirmed or not."""
        del observe  # no log is without appends, but what a command is given as one

    def readings(self) -> Iterable[Reading]:
        """Return what the log has counted, for metrics."""
        return ()

    async def close(self) -> None:
        """Make durable what was accepted and let go of files or connections."""
        ...


_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995


def key_hash(key: bytes) -> int:
    """Return the 32-bit MurmurHash2 by which Kafka's Java client spreads keys."""
    end = len(key) & ~3
    state = 0x9747B28C ^ len(key)
    for start in range(0, end, 4):
        word = int.from_bytes(key[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        state = state * _MULTIPLIER & _MASK ^ word
    if end < len(key):
        state = (state ^ int.from_bytes(key[end:], "little")) * _MULTIPLIER & _MASK
    state = (state ^ state >> 13) * _MULTIPLIER & _MASK
    return state ^ state >> 15


@lru_cache(maxsize=65536)
def partition_of_key(key: str, partitions: int) -> int:
    """Return the partition of this key, the same as Kafka's Java client chooses."""
    if partitions == 1:
        return 0
    return (key_hash(key.encode()) & 0x7FFFFFFF) % partitions
