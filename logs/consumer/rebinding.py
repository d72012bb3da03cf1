"""Binds a consumer's database to another log than the one that its positions are of.

The database is whole; the log was lost, cut, or is another one. The consumer goes on where this log
has what it has not processed. What it has not sent goes along. All of its output is numbered from 0
under a new name, so that nothing that readers remember of the former numbers can make them drop it.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from base.database import Connection, Database
from logs.consumer.outbox import Numbers, Stream
from logs.consumer.tables import ConsumerProgress, ConsumerStore, OutboxBatch, Stored
from logs.log import Log

_NUMBERING_BYTES = 4


class Rebinding(NamedTuple):
    """A partition whose position is not in the log."""

    partition: int
    processed: int
    """The offset up to which the former log was processed: what was appended to it later is lost.
    """
    start: int | None
    """Where it goes on in this log; `None` if it does not have this partition."""
    unsent: int
    """Records that it may not have sent yet: they are sent to this log."""


async def find_rebindings(
    log: Log, database: Database, consumer: str, topic: str
) -> list[Rebinding]:
    """Return the partitions of a consumer that do not fit the log. Raises outages."""
    found = await database.read(ConsumerStore(consumer, topic).select_stored)
    return _rebindings(found, await log.bounds(topic), log.generation)


async def rebind(log: Log, database: Database, consumer: str, topic: str) -> None:
    """Bind a consumer that does not run to the log; one that fits it is left as it is."""
    bounds = await log.bounds(topic)
    store = ConsumerStore(consumer, topic)

    def work(connection: Connection) -> None:
        found = store.select_stored(connection)
        moved = _rebindings(found, bounds, log.generation)
        # What a partition that is no more has not sent is sent by another one.
        for partition in {one.partition % len(bounds) for one in moved}:
            sources = [one for one in moved if one.partition % len(bounds) == partition]
            former = [one.partition for one in sources]
            unsent = [batch for source in former for _, batch in found[source].outbox]
            stored = found.get(partition)
            if stored is not None and partition not in former:
                former.append(partition)
                unsent += [batch for _, batch in stored.outbox]
            start = next((one.start for one in sources if one.start is not None), None)
            begun = _begun(Stream(consumer, topic, partition), stored, start, unsent, log)
            store.delete(connection, former)
            store.insert_stored(connection, partition, begun)

    await database.write(work, durable=True)


def _rebindings(
    found: Mapping[int, Stored], bounds: Mapping[int, tuple[int, int]], generation: str
) -> list[Rebinding]:
    rebindings = []
    for partition, stored in sorted(found.items()):
        first, end = bounds.get(partition, (0, -1))
        is_of_this_log = stored.progress.generation == generation
        if is_of_this_log and stored.offset <= end:
            continue
        # Of a log that was cut, all that is left was processed; of another one nothing was.
        start = (end if is_of_this_log else first) if partition in bounds else None
        unsent = sum(len(records) for _, batch in stored.outbox for _, records in batch)
        rebindings.append(Rebinding(partition, stored.offset, start, unsent))
    return rebindings


def _begun(
    stream: Stream,
    stored: Stored | None,
    start: int | None,
    unsent: Sequence[OutboxBatch],
    log: Log,
) -> Stored:
    """Return how a partition begins in this log, with what is to be sent first."""
    # A partition that fits stays where it is, and one that was never owned begins at 0.
    offset = start if start is not None else 0 if stored is None else stored.offset
    is_of_this_log = stored is not None and stored.progress.generation == log.generation
    seen = stored.progress.seen if stored is not None and is_of_this_log else {}
    numbering = secrets.token_hex(_NUMBERING_BYTES)
    progress = ConsumerProgress(log.generation, offset, seen, {}, numbering)
    numbers = Numbers(stream.origin_name(progress), {}, log)
    for batch in unsent:
        for topic, records in batch:
            for key, value, _ in records:
                numbers.add(topic, key, value)
    progress.given = numbers.given
    return Stored(offset, progress, [(offset, numbers.output)] if numbers.output else [])
