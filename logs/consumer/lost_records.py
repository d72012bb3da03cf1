"""Positions that are not in the log: noticed before a consumer runs, never passed over."""

from collections.abc import Mapping

from base.database import Connection, Database
from logs.consumer.tables import Advance, ConsumerStore, Stored
from logs.log import Log, LogReplaced, RecordsLost

Bounds = Mapping[int, tuple[int, int]]


async def require_records(log: Log, database: Database, consumer: str, topic: str) -> None:
    """Return if the log has all that a consumer has not processed yet.

    Raises `RecordsLost`, and outages.
    """
    found, bounds = await _look(log, database, consumer, topic)
    _require_log(found, bounds, log.generation, consumer, topic)
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


def _require_log(
    stored: Mapping[int, Stored], bounds: Bounds, generation: str, consumer: str, topic: str
) -> None:
    """Raise `LogReplaced` if a position is of another log, or of one that was longer or wider."""
    require_generation(stored, generation, consumer, topic)
    for partition, found in stored.items():
        if partition not in bounds and found.offset:
            raise LogReplaced(
                f"{consumer} has processed {topic}/{partition} up to {found.offset}, and the topic "
                f"has {len(bounds)} partitions: it was made anew."
            )
    for partition, (_, end) in bounds.items():
        offset = stored[partition].offset
        if offset > end:
            raise LogReplaced(
                f"{consumer} has processed {topic}/{partition} up to {offset}, and the topic ends "
                f"at {end}: the log was cut, or is an older one."
            )


async def skip_lost_records(
    log: Log, database: Database, consumer: str, topic: str
) -> dict[int, tuple[int, int]]:
    """Let a consumer that does not run go on at the first records that its topic has.

    Returns by partition which offsets were skipped, from and before; nothing of the others changes.
    Numbers of output go on: readers see no gap. Raises `LogReplaced` for positions of another log.
    """
    found, bounds = await _look(log, database, consumer, topic)
    _require_log(found, bounds, log.generation, consumer, topic)
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


async def _look(
    log: Log, database: Database, consumer: str, topic: str
) -> tuple[dict[int, Stored], Bounds]:
    store = ConsumerStore(consumer, topic)
    partitions = range(log.partition_count(topic))

    def work(connection: Connection) -> dict[int, Stored]:
        store.select(connection, partitions, log.generation)
        return store.select_stored(connection)

    # Durable, as whoever begins a position does it: it never changes.
    found = await database.write(work, durable=True)
    # The end comes afterwards: it may move, and a position of before is never past it.
    return found, await log.bounds(topic)
