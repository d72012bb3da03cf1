"""Records that a topic dropped before a consumer has processed them: noticed, never passed over."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy.engine import Connection

from base.database import Database
from logs.consumer_tables import Advance, ConsumerStore, Stored
from logs.log import Log, LogReplaced, RecordsLost


async def require_records(log: Log, database: Database, consumer: str, topic: str) -> None:
    """Return if the log has all that a consumer has not processed yet.

    Raises `RecordsLost`, and outages.
    """
    bounds = await log.bounds(topic)
    found = await _stored(log, database, consumer, topic, bounds)
    require_generation(found, log.generation, consumer, topic)
    for partition, (first, _) in bounds.items():
        offset = found[partition].offset
        if offset < first:
            raise RecordsLost(
                f"{consumer} has processed {topic}/{partition} up to {offset}, and the topic "
                f"begins at {first}: the records between were dropped."
            )


def require_generation(
    stored: Mapping[int, Stored], generation: str, consumer: str, topic: str
) -> None:
    """Raise `LogReplaced` if a position is of another log."""
    for partition, found in stored.items():
        if found.progress.generation != generation:
            raise LogReplaced(
                f"{consumer} has a position in {topic}/{partition} of another log "
                f"({found.progress.generation}, this is {generation})."
            )


async def skip_lost_records(
    log: Log, database: Database, consumer: str, topic: str
) -> dict[int, tuple[int, int]]:
    """Let a consumer that does not run go on at the first records that its topic has.

    Returns by partition which offsets were skipped, from and before; nothing of the others changes.
    Numbers of output go on: readers see no gap. Raises `LogReplaced` for positions of another log.
    """
    bounds = await log.bounds(topic)
    found = await _stored(log, database, consumer, topic, bounds)
    require_generation(found, log.generation, consumer, topic)
    skipped = {
        partition: (found[partition].offset, first)
        for partition, (first, _) in bounds.items()
        if found[partition].offset < first
    }
    store = ConsumerStore(consumer, topic)

    def work(connection: Connection) -> None:
        for partition, (before, after) in skipped.items():
            progress = found[partition].progress
            store.advance(connection, partition, Advance(before, after, progress, [], None))

    await database.write(work, durable=True)
    return skipped


async def _stored(
    log: Log, database: Database, consumer: str, topic: str, bounds: Mapping[int, object]
) -> dict[int, Stored]:
    select = partial(
        ConsumerStore(consumer, topic).select,
        partitions=list(bounds),
        generation=log.generation,
    )
    # Durable, as whoever begins a position does it: it never changes.
    return await database.write(select, durable=True)
