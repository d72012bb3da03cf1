"""An owner's announcements beside a log that is older or newer than its database."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from base.database import Connection, Database
from logs.announcing import AnnouncedTopic
from logs.announcing.tables import (
    OutgoingRecord,
    delete_outgoing,
    insert_outgoing,
    raise_next_sequences,
    select_next_sequences,
    select_outgoing,
)
from logs.log import Log, Record


async def number_behind_the_log(database: Database, log: Log, topic: str) -> None:
    """Let numbers go on behind the last ones in the log. Raises `LogOutage`.

    Where the database was put back to an older state, and the log was not, they would be given a
    second time, and readers would drop what comes with them. So what waits there is numbered again.
    """
    bounds = await log.bounds(topic)
    places = {number: end - 1 for number, (first, end) in bounds.items() if first < end}
    if not places:
        return
    tail = await log.tail(topic, places)
    given: dict[int, int] = {}
    try:
        while places.keys() - given.keys():
            for record in await tail.read():
                sequence = -1 if record.origin is None else record.origin.sequence
                given[record.partition] = max(given.get(record.partition, 0), sequence + 1)
    finally:
        await tail.close()
    found = await database.read(select_next_sequences)
    higher = {one: number for one, number in given.items() if number > found.get(one, 0)}
    if higher:
        await database.write(partial(_number_from, numbers=higher))


def _number_from(connection: Connection, numbers: Mapping[int, int]) -> None:
    # First: from then on nobody takes a number of these partitions.
    raise_next_sequences(connection, numbers)
    waiting = [
        one
        for one in select_outgoing(connection, {})
        if one.sequence < numbers.get(one.partition, 0)
    ]
    _number_again(connection, waiting, lambda one: one.partition)


async def bind_to_log(database: Database, log: Log, announced: AnnouncedTopic[Any]) -> None:
    """Let what waits to be announced go to another log than the one that it was numbered for.

    Where the topic was made again with other partitions, it is numbered again: otherwise numbers
    of several partitions would meet in one, and readers would drop the lower ones. No process has
    the database open.
    """
    partition_of = partial(log.partition_of, announced.topic.name)

    def spread(connection: Connection) -> None:
        waiting = select_outgoing(connection, {})
        if all(one.partition == partition_of(one.key) for one in waiting):
            return
        _number_again(connection, waiting, lambda one: partition_of(one.key))

    await database.write(spread)


def _number_again(
    connection: Connection,
    waiting: Sequence[OutgoingRecord],
    partition_of: Callable[[OutgoingRecord], int],
) -> None:
    """Let what waits have the next numbers, behind what has been sent of these partitions."""
    delete_outgoing(connection, {one.partition: one.sequence for one in waiting})
    for one in waiting:
        insert_outgoing(connection, partition_of(one), [(one.key, one.value)])


async def query_newer_records(
    database: Database, announced: AnnouncedTopic[Any]
) -> Callable[[Record], bool]:
    """Return what tells of a record of the topic whether it is newer than this database.

    Readers would show what it tells, and its owner would not know it.
    """
    next_sequences = await database.read(select_next_sequences)

    def is_newer(record: Record) -> bool:
        origin = record.origin
        return (
            origin is not None
            and origin.stream == announced.stream
            and origin.sequence >= next_sequences.get(record.partition, 0)
        )

    return is_newer
