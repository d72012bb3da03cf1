"""What messages to devices are rebuilt from: the copy of the tables that served.

Nobody else has them. Their places are offsets of the log, so that tokens tell which ones have
arrived; where the log is another one, they come before all offsets.
"""

from functools import partial
from typing import Final

from base.database import Connection, Database
from components.syncapi.store.rebuild_progress import Cursor
from components.syncapi.store.to_device import (
    QueuedMessage,
    insert_messages,
    insert_requests,
    select_messages_after,
    select_requests_after,
)
from components.syncapi.streams.history import (
    RECORDS_AT_ONCE,
    HistoryPart,
    HistorySource,
    Stage,
    moved,
    places,
)
from logs.consumer.tables import ConsumerStore
from logs.topics import SEND_TO_DEVICE

_BEFORE_ALL: Final = -(2**62)


def to_device_stages(source: HistorySource) -> list[Stage]:
    """Return what waits for devices, and the requests whose repeats have to be known."""
    return [
        Stage(6, "messages to devices", partial(_messages, source)),
        Stage(7, "requests to devices", partial(_requests, source)),
    ]


async def _messages(source: HistorySource, cursor: Cursor) -> HistoryPart:
    if source.former is None:
        return _part(cursor)
    read = partial(select_messages_after, place=cursor.place, most=RECORDS_AT_ONCE)
    found = await source.former.read(read, heavy_for="rebuild")
    last = found[-1] if len(found) == RECORDS_AT_ONCE else None
    if not await _is_of_log(source, source.former):
        found = [
            message._replace(stream_order=order)
            for message, order in zip(found, places(cursor), strict=False)
        ]
    after = moved(cursor, None if last is None else [str(one) for one in last[:4]], len(found))
    return HistoryPart(SEND_TO_DEVICE.name, {}, after, partial(_write_messages, found))


def _write_messages(messages: list[QueuedMessage], connection: Connection) -> None:
    insert_messages(connection, messages)


async def _requests(source: HistorySource, cursor: Cursor) -> HistoryPart:
    if source.former is None:
        return _part(cursor)
    after = bytes.fromhex(cursor.place[0]) if cursor.place else b""
    read = partial(select_requests_after, after=after, most=RECORDS_AT_ONCE)
    found = await source.former.read(read, heavy_for="rebuild")
    place = [found[-1].request_hash.hex()] if len(found) == RECORDS_AT_ONCE else None
    return HistoryPart(
        SEND_TO_DEVICE.name,
        {},
        moved(cursor, place, len(found)),
        partial(insert_requests, requests=found, before_ms=_BEFORE_ALL),
    )


def _part(cursor: Cursor) -> HistoryPart:
    return HistoryPart(SEND_TO_DEVICE.name, {}, moved(cursor, None, 0))


async def _is_of_log(source: HistorySource, former: Database) -> bool:
    """Whether the offsets of a copy are of this log."""

    def work(connection: Connection) -> bool:
        stored = ConsumerStore(source.consumer, SEND_TO_DEVICE.name).select_stored(connection)
        generation = source.log.generation
        return all(one.progress.generation == generation for one in stored.values())

    return await former.read(work)
