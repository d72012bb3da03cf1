"""A batch before it is processed: what was seen is dropped, the rest decoded."""

import logging
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from logs.consumer import Message
from logs.consumer.counts import ConsumerCounts
from logs.log import Position, Record
from logs.topics import Topic, UndecodableRecord, UnknownKind

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")


class PreparedBatch(NamedTuple, Generic[T]):
    """Records that follow each other in a partition, and what they are."""

    records: Sequence[Record]
    messages: Sequence[Message[T]]
    undecodable: Sequence[tuple[Record, str]]
    """Records that are rejected, with why."""
    seen: dict[str, int]
    """Per stream the next number that is expected after the batch."""
    unknown: tuple[Record, UnknownKind] | None
    """What comes next, and is of a kind that this version does not know."""


def prepare(
    records: Sequence[Record],
    poison: str | None,
    seen: dict[str, int],
    topic: Topic[T],
    counts: ConsumerCounts,
) -> PreparedBatch[T]:
    """Drop what was seen, decode the rest, up to a record of an unknown kind.

    With `poison` none is decoded: that is why they are rejected.
    """
    next_seen = seen
    messages: list[Message[T]] = []
    undecodable: list[tuple[Record, str]] = []
    for record in records:
        partition, offset, key, value, timestamp_ms, origin = record
        if origin is not None:
            stream, sequence = origin
            expected = next_seen.get(stream)
            if expected is not None and sequence != expected:
                if sequence < expected:
                    counts.repeats += 1
                    continue
                counts.gaps += 1
                _log.error(
                    "records of a stream are missing",
                    extra={"stream": stream, "expected": expected, "found": sequence},
                )
            if next_seen is seen:
                next_seen = dict(seen)
            next_seen[stream] = sequence + 1
        if poison is not None:
            undecodable.append((record, poison))
            continue
        try:
            decoded = topic.decode(value)
        except UndecodableRecord as error:
            undecodable.append((record, f"It cannot be decoded: {error}"))
            continue
        except UnknownKind as unknown:
            # What follows may depend on it. Those before it are prepared alone, because its
            # number is not seen yet.
            before = records[: records.index(record)]
            return prepare(before, None, seen, topic, counts)._replace(unknown=(record, unknown))
        messages.append(Message(Position(partition, offset), key, timestamp_ms, decoded))
    return PreparedBatch(records, messages, undecodable, next_seen, None)
