"""Makes the tables of rooms anew from what the room server keeps for good.

The processes of client sync notice that a rebuild has begun and end; started again, they wait
until it is done. A rebuild that was interrupted goes on where it was. Account data stays as it is.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from base.database import Database
from components.syncapi.projection.records import project
from components.syncapi.projection.writing import write_batch
from components.syncapi.store.rebuilds import (
    BEGUN,
    DONE,
    EMPTIED,
    StoredRebuild,
    delete_room,
    delete_rooms,
    insert_rebuild,
    restore_invites,
    select_rebuild,
    update_reached,
    update_stage,
    upsert_covered,
)
from components.syncapi.store.tables import Connection
from internalapi.roomserver import RoomHistory, RoomHistoryPage
from logs.consumer import Message
from logs.consumer_tables import ConsumerStore, reset_positions
from logs.log import Log, Position
from logs.records.room_output import OutputRoomEvent
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT
from matrix.identifiers import RoomID

_log: Final = logging.getLogger(__name__)

CONSUMER: Final = "syncapi"
NOTICE_S: Final = 3.0
"""How long processes that serve have to notice; they look every second."""

_FIRST_ORDER: Final = -(2**40)
"""Where the history of each room begins: before every offset, with room for what came later."""
_EVENTS_AT_ONCE: Final = 500
_ROOMS_AT_ONCE: Final = 1000
_NO_LOG: Final = "rebuilding"
_NOWHERE: Final = -1


class RebuildProgress(msgspec.Struct, frozen=True):
    """How far a rebuild is."""

    rooms: int
    """Rooms that are there again."""
    all_rooms: int
    records: int
    """Records written by this run."""


async def rebuild(
    *,
    log: Log,
    database: Database,
    history: RoomHistory,
    progress: Callable[[RebuildProgress], None],
    notice_s: float = NOTICE_S,
) -> None:
    """Rebuild client sync's database, opened with its `SCHEMA`; `progress` hears of each room.

    Nobody else may run it at the same time. With `notice_s` of 0 no process serves meanwhile.
    """
    work = _Rebuild(log, database, history, progress)
    await work.run(notice_s)


async def finished_rebuild(database: Database) -> int:
    """Return the number of the last rebuild, 0 for none, once none is under way."""
    while True:
        stored = await database.read(select_rebuild)
        if stored is None:
            return 0
        if stored.stage == DONE:
            return stored.number
        _log.warning(
            "client sync waits for its rebuild to be done: if it was interrupted, run it again",
            extra={"reached": stored.reached},
        )
        await asyncio.sleep(NOTICE_S)


class _Rebuild:
    def __init__(
        self,
        log: Log,
        database: Database,
        history: RoomHistory,
        progress: Callable[[RebuildProgress], None],
    ) -> None:
        self._log: Final = log
        self._database: Final = database
        self._history: Final = history
        self._progress: Final = progress
        self._records = 0

    async def run(self, notice_s: float) -> None:
        stored = await self._begin()
        if stored.stage == BEGUN:
            await asyncio.sleep(notice_s)
            await self._database.write(partial(_empty, number=stored.number))
        done, total = await self._count(stored.reached)
        self._progress(RebuildProgress(done, total, 0))
        after = stored.reached
        while rooms := await self._history.query_rooms(after=after, limit=_ROOMS_AT_ONCE):
            for room_id in rooms:
                await self._rebuild_room(stored, room_id)
                done += 1
                self._progress(RebuildProgress(done, max(total, done), self._records))
            after = rooms[-1]
        await self._finish(stored)

    async def _begin(self) -> StoredRebuild:
        """Return the rebuild that was interrupted, or begin one."""
        bounds = await self._log.bounds(OUTPUT_ROOM_EVENT.name)
        generation = self._log.generation

        def work(connection: Connection) -> StoredRebuild:
            last = select_rebuild(connection)
            if last is not None and last.stage != DONE:
                return last
            number = 1 if last is None else last.number + 1
            offsets, _ = _kept_positions(connection, OUTPUT_ROOM_EVENT.name, bounds, generation)
            insert_rebuild(connection, number, offsets)
            return StoredRebuild(number, BEGUN, "", offsets)

        return await self._database.write(work, durable=True)

    async def _count(self, reached: str) -> tuple[int, int]:
        """Return how many rooms are done, and how many there are."""
        total = await self._count_after("")
        return total - await self._count_after(reached), total

    async def _count_after(self, after: str) -> int:
        count = 0
        while rooms := await self._history.query_rooms(after=after, limit=_ROOMS_AT_ONCE):
            count += len(rooms)
            after = rooms[-1]
        return count

    async def _rebuild_room(self, stored: StoredRebuild, room_id: RoomID) -> None:
        partition = self._log.partition_of(OUTPUT_ROOM_EVENT.name, room_id)
        # Announced is only what is stored: records before this end are among the history.
        _, end = (await self._log.bounds(OUTPUT_ROOM_EVENT.name))[partition]
        covered = end if end > stored.offsets[partition] else None
        order = _FIRST_ORDER
        place: int | None = 0
        while place is not None:
            page = await self._history.query_room_history(
                room_id=room_id, after_place=place, limit=_EVENTS_AT_ONCE
            )
            write = partial(
                _write_page,
                number=stored.number,
                room_id=room_id,
                page=page,
                first=Position(partition, order),
                covered=covered,
            )
            await self._database.write(write)
            order += len(page.records)
            self._records += len(page.records)
            place = page.next_place

    async def _finish(self, stored: StoredRebuild) -> None:
        others = (OUTPUT_CLIENT_DATA.name, OUTPUT_RECEIPT.name)
        bounds = {topic: await self._log.bounds(topic) for topic in others}
        generation = self._log.generation

        def work(connection: Connection) -> None:
            restore_invites(connection)
            rooms = OUTPUT_ROOM_EVENT.name
            reset_positions(connection, CONSUMER, rooms, stored.offsets, generation)
            for topic in others:
                kept, is_elsewhere = _kept_positions(connection, topic, bounds[topic], generation)
                if is_elsewhere:
                    reset_positions(connection, CONSUMER, topic, kept, generation)
            update_stage(connection, stored.number, DONE)

        await self._database.write(work, durable=True)


def _kept_positions(
    connection: Connection, topic: str, bounds: Mapping[int, tuple[int, int]], generation: str
) -> tuple[dict[int, int], bool]:
    """Return where the consumer goes on in what the log keeps, and whether that is elsewhere."""
    found = ConsumerStore(CONSUMER, topic).select(connection, list(bounds), generation)
    offsets: dict[int, int] = {}
    is_elsewhere = False
    for partition, (first, end) in bounds.items():
        stored = found[partition]
        is_here = stored.progress.generation == generation
        offsets[partition] = min(max(stored.offset, first), end) if is_here else first
        is_elsewhere |= not is_here or offsets[partition] != stored.offset
    return offsets, is_elsewhere


def _empty(connection: Connection, *, number: int) -> None:
    """Empty the tables, and fence whoever still projects into them."""
    rebuild_row = select_rebuild(connection)
    if rebuild_row is None or rebuild_row.number != number:
        raise RuntimeError("Another rebuild has begun meanwhile.")
    nowhere = dict.fromkeys(rebuild_row.offsets, _NOWHERE)
    # First, so that what a consumer commits meanwhile is either fenced or emptied, too.
    reset_positions(connection, CONSUMER, OUTPUT_ROOM_EVENT.name, nowhere, _NO_LOG)
    delete_rooms(connection)
    update_stage(connection, number, EMPTIED)


def _write_page(
    connection: Connection,
    *,
    number: int,
    room_id: RoomID,
    page: RoomHistoryPage,
    first: Position,
    covered: int | None,
) -> None:
    """Write a part of a room's history; the first one begins the room anew."""
    if first.offset == _FIRST_ORDER:
        delete_room(connection, room_id)
    messages = [
        Message(
            Position(first.partition, first.offset + index),
            room_id,
            0,
            OUTPUT_ROOM_EVENT.decode(record),
        )
        for index, record in enumerate(page.records)
    ]
    write_batch(connection, project(messages, _leave_out))
    if page.next_place is None:
        if covered is not None:
            upsert_covered(connection, room_id, covered)
        update_reached(connection, number, room_id)


def _leave_out(message: Message[OutputRoomEvent], reason: str) -> None:
    # As when it was announced first: it is among the rejected records since then.
    _log.warning("a record was left out", extra={"room_id": message.key, "reason": reason})
