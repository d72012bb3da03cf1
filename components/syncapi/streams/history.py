"""What a stream is rebuilt from: what the owner of its data keeps for good, cut into parts.

Records of the histories get places in the stream before all offsets of the log, so that what is
read from the topics later on comes after them.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from base.database import Connection, Database
from components.syncapi.store.rebuild_progress import Cursor
from internalapi.keyserver import KeyHistory
from internalapi.receipts import ReceiptHistory
from internalapi.roomserver import RoomHistory
from internalapi.userapi import UserHistory
from logs.consumer import Message
from logs.log import Log, Position
from logs.topics import Topic

FIRST_ORDER: Final = -(2**53)
"""Where histories begin, before every offset: with room for the time of a receipt."""
RECORDS_AT_ONCE: Final = 500


class Histories(NamedTuple):
    """What the owners of data keep for good."""

    rooms: RoomHistory
    users: UserHistory
    receipts: ReceiptHistory
    keys: KeyHistory


class HistorySource(NamedTuple):
    """Where histories are read."""

    log: Log
    owners: Histories
    consumer: str
    """The name by which a copy keeps its positions."""
    former: Database | None = None
    """The copy of the tables that served, where it can still be read."""


class HistoryPart(NamedTuple):
    """What is written in one transaction, and how far the history is then."""

    topic: str
    messages: Mapping[int, Sequence[Message[Any]]]
    """Records of the topic by partition; the stream writes them as those that it consumes."""
    after: Cursor
    also: Callable[[Connection], None] | None = None
    """What is written beside them."""


class Stage(NamedTuple):
    """One history, read from a cursor on."""

    number: int
    """Its place among the histories of all streams, which cursors keep: never changed.

    What depends on others comes after them: erasures are about rooms, transactions about events.
    """
    name: str
    read: Callable[[Cursor], Awaitable[HistoryPart]]


def part_of(
    log: Log,
    topic: Topic[Any],
    records: Iterable[tuple[str, int, Any]],
    after: Cursor,
    also: Callable[[Connection], None] | None = None,
) -> HistoryPart:
    """Return a part of these records, given with their keys and places."""
    messages: dict[int, list[Message[Any]]] = {}
    for key, order, record in records:
        partition = log.partition_of(topic.name, key)
        message = Message(Position(partition, order), key, 0, record)
        messages.setdefault(partition, []).append(message)
    return HistoryPart(topic.name, messages, after, also)


def places(cursor: Cursor) -> Iterable[int]:
    """Return places in the stream for the records after a cursor, one after another."""
    order = FIRST_ORDER + cursor.order
    while True:
        yield order
        order += 1


def moved(cursor: Cursor, place: list[str] | None, count: int) -> Cursor:
    """Return the cursor behind so many records; without a place the history is at its end."""
    if place is None:
        return Cursor(cursor.stage + 1, rooms=cursor.rooms)
    return Cursor(cursor.stage, place, order=cursor.order + count, rooms=cursor.rooms)
