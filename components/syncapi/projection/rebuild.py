"""Makes the tables of client sync again, beside those that serve, and lets them serve then.

A further copy of the tables is filled from what the owners of rooms, accounts and receipts keep
for good, then from the topics, until it has caught up. One transaction lets it serve. The processes
of client sync notice and begin again with it; the former copy is dropped. Until then nobody reads
the new copy, so that a rebuild that is killed harms nothing: it is run again, and goes on.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from base.backoff import Backoff
from base.clock import Clock
from base.database import Connection, Database, DatabaseOutage, Schema, SchemaTooOld
from components.syncapi.projection import late_invites
from components.syncapi.projection.consumers import (
    NAME,
    ProjectedStreams,
    project_streams,
    tokens_of,
)
from components.syncapi.projection.history import HistoryReader
from components.syncapi.projection.history_writing import HistoryWriter
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.rebuild_progress import (
    Cursor,
    PendingInvite,
    insert_pending_invites,
    insert_progress,
    select_covered,
    select_pending_invites,
    select_progress,
    update_run,
)
from components.syncapi.store.tables import SCHEMA
from components.syncapi.streams.catalogue import STREAMS, projected_topics
from components.syncapi.streams.history import Histories, HistorySource
from components.syncapi.streams.stream import StreamKinds
from logs.consumer.loop import Consumer
from logs.consumer.tables import ConsumerStore, reset_positions
from logs.log import Log, LogOutage
from logs.rebuilding.copies import (
    BUILDING,
    RETIRED,
    delete_copy,
    insert_copy,
    select_copies,
    select_serving,
    update_retired,
    update_serving,
)
from logs.topics import OUTPUT_ROOM_EVENT

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)

NOTICE_S: Final = 10.0
"""How long processes have to leave the former copy; they look every second."""

_GROUP: Final = f"{NAME}-rebuild"
_SMALL_LAG: Final = 500
"""Records of all topics that the new copy may be behind when it begins to serve."""
_LOOK_S: Final = 0.1


class RebuildProgress(msgspec.Struct, frozen=True):
    """How far a rebuild is."""

    doing: str
    rooms: int
    """Rooms that are there again."""
    all_rooms: int
    records: int
    """Records that this run has written."""
    behind: int | None = None
    """How many records of the topics are still missing, while it catches up."""


class Copies(Protocol):
    """Opens, makes and drops copies of the tables."""

    async def open(self, schema: Schema, *, may_migrate: bool) -> Database:
        """Return the database, which the caller closes.

        Raises `SchemaTooOld` where it is not there, or of an older version, and may not be made.
        """
        ...

    async def drop(self, schema: Schema) -> None:
        """Delete the tables; not to find them is no error."""
        ...


class RebuildGround(NamedTuple):
    """What a rebuild stands on."""

    log: Log
    rebuilds: Database
    """Opened with `REBUILDS_SCHEMA`."""
    copies: Copies
    histories: Histories
    settings: SyncApiSettings
    clock: Clock
    streams: StreamKinds = STREAMS


async def rebuild(
    ground: RebuildGround,
    progress: Callable[[RebuildProgress], None],
    *,
    notice_s: float = NOTICE_S,
) -> None:
    """Make client sync's tables again; `progress` hears how far it is.

    Returns when the new copy serves and the former one is gone. Waits for outages to end. Raises
    `RebuildTaken` or `SwitchRefused` where another run goes on with it. With `notice_s` of 0 no
    process serves.
    """
    await _drop_retired(ground)
    number = await _begin(ground)
    database = await ground.copies.open(SCHEMA.numbered(number), may_migrate=True)
    try:
        work = _Rebuild(ground, database, progress)
        await work.start()
        await work.fill()
        await work.catch_up()
        await database.make_durable()
    finally:
        await database.close()
    await _patiently(partial(_switch, ground, number))
    await asyncio.sleep(notice_s)
    await _drop_retired(ground)


async def _begin(ground: RebuildGround) -> int:
    """Return the number of the copy that an earlier run has begun, or of a new one."""
    copies = await ground.rebuilds.read(select_copies)
    for number in sorted(number for number, state in copies.items() if state == BUILDING):
        if await _can_go_on(ground, number):
            return number
        await ground.rebuilds.write(partial(update_retired, number=number), durable=True)
    await _drop_retired(ground)
    return await ground.rebuilds.write(insert_copy, durable=True)


async def _can_go_on(ground: RebuildGround, number: int) -> bool:
    """Tell whether the topics still have what this copy has yet to read."""
    database = await ground.copies.open(SCHEMA.numbered(number), may_migrate=True)
    try:
        found = await database.read(select_progress)
        if found is None:
            return True
        _, generation = found
        if generation != ground.log.generation:
            return False
        for topic in _topics(ground):
            if not await _is_in_log(ground.log, database, ConsumerStore(NAME, topic), topic):
                return False
        return await _is_in_log(ground.log, database, late_invites.STORE, OUTPUT_ROOM_EVENT.name)
    finally:
        await database.close()


async def _is_in_log(log: Log, database: Database, store: ConsumerStore, topic: str) -> bool:
    bounds = await log.bounds(topic)
    for partition, offset in (await database.read(store.select_offsets)).items():
        first, end = bounds.get(partition, (0, -1))
        if not first <= offset <= end:
            _log.warning(
                "a rebuild starts again: the log no longer has what it would go on with",
                extra={"topic": topic, "partition": partition},
            )
            return False
    return True


def _topics(ground: RebuildGround) -> list[str]:
    return [topic.name for topic in projected_topics(ground.streams)]


async def _switch(ground: RebuildGround, number: int) -> None:
    def work(connection: Connection) -> None:
        # A commit whose answer was lost has been made.
        if select_serving(connection) != number:
            update_serving(connection, number)

    await ground.rebuilds.write(work, durable=True)


async def _drop_retired(ground: RebuildGround) -> None:
    copies = await ground.rebuilds.read(select_copies)
    for number, state in copies.items():
        if state == RETIRED:
            await _patiently(partial(ground.copies.drop, SCHEMA.numbered(number)))
            await ground.rebuilds.write(partial(delete_copy, number=number), durable=True)


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    backoff = Backoff()
    while True:
        try:
            return await work()
        except (DatabaseOutage, LogOutage) as outage:
            _log.warning("the rebuild waits", extra={"outage": str(outage)})
            await backoff.wait()


class _Rebuild:
    """One run's work on one copy."""

    def __init__(
        self, ground: RebuildGround, database: Database, progress: Callable[[RebuildProgress], None]
    ) -> None:
        self._ground: Final = ground
        self._database: Final = database
        self._progress: Final = progress
        # An older run that still lives can write no more once this one has begun.
        self._run: Final = secrets.token_hex(8)
        self._rooms = 0
        self._all_rooms = 0
        self._records = 0

    async def start(self) -> None:
        """Begin with the copy, or take over what an earlier run has done."""
        log = self._ground.log
        bounds = {topic: await log.bounds(topic) for topic in _topics(self._ground)}
        positions, invites = await self._what_serves(bounds[OUTPUT_ROOM_EVENT.name])
        starts = {
            topic: {one: end for one, (_, end) in found.items()} for topic, found in bounds.items()
        }

        def work(connection: Connection) -> None:
            if select_progress(connection) is not None:
                update_run(connection, self._run)
                return
            insert_progress(connection, self._run, log.generation)
            insert_pending_invites(connection, invites)
            late_invites.begin_at(connection, positions, log.generation)
            for topic, offsets in starts.items():
                reset_positions(connection, NAME, topic, offsets, log.generation)

        await self._database.write(work, durable=True)

    async def _what_serves(
        self, bounds: Mapping[int, tuple[int, int]]
    ) -> tuple[dict[int, int], list[PendingInvite]]:
        """Return where the serving copy is in what the log keeps of rooms, and its invites."""
        generation = self._ground.log.generation
        topic = OUTPUT_ROOM_EVENT.name

        def work(connection: Connection) -> tuple[dict[int, int], list[PendingInvite]]:
            found = ConsumerStore(NAME, topic).select(connection, list(bounds), generation)
            offsets: dict[int, int] = {}
            for partition, (first, end) in bounds.items():
                is_here = found[partition].progress.generation == generation
                offset = found[partition].offset if is_here else first
                offsets[partition] = min(max(offset, first), end)
            return offsets, select_pending_invites(connection)

        async with self._serving_copy() as database:
            if database is None:
                _log.warning("there are no tables to take invites of other servers from")
                return {partition: first for partition, (first, _) in bounds.items()}, []
            return await database.write(work)

    @asynccontextmanager
    async def _serving_copy(self) -> AsyncIterator[Database | None]:
        """Open the copy that serves; there may be none that can be read."""
        serving = SCHEMA.numbered(await self._ground.rebuilds.read(select_serving))
        try:
            # Processes of an older version may work with it.
            database = await self._ground.copies.open(serving, may_migrate=False)
        except SchemaTooOld:
            yield None
            return
        try:
            yield database
        finally:
            await database.close()

    async def fill(self) -> None:
        """Write the histories, from where they are written up to."""
        self._all_rooms = await self._reader(None).count_rooms()
        await _patiently(self._fill)

    def _reader(self, former: Database | None) -> HistoryReader:
        ground = self._ground
        source = HistorySource(ground.log, ground.histories, former)
        return HistoryReader(source, ground.streams)

    async def _fill(self) -> None:
        """Go on with what the copy has: after an outage it tells what was committed."""
        async with self._serving_copy() as former:
            await self._fill_from(self._reader(former))

    async def _fill_from(self, reader: HistoryReader) -> None:
        writer = HistoryWriter(await self._projection({}), self._run)
        found = await self._database.read(select_progress)
        cursor = Cursor() if found is None else found[0]
        self._tell(reader, cursor)
        while (part := await reader.read(cursor)) is not None:
            is_last = reader.stage_at(part.after) is None
            write = partial(writer.write, before=cursor, part=part, is_last=is_last)
            await self._database.write(write)
            cursor = part.after
            self._records += sum(map(len, part.messages.values()))
            self._tell(reader, cursor)

    def _tell(self, reader: HistoryReader, cursor: Cursor) -> None:
        self._rooms = cursor.rooms
        self._all_rooms = max(self._all_rooms, self._rooms)
        stage = reader.stage_at(cursor)
        doing = "the topics" if stage is None else stage.name
        self._progress(RebuildProgress(doing, self._rooms, self._all_rooms, self._records))

    async def _projection(self, covered: Mapping[str, int]) -> ProjectedStreams:
        ground = self._ground
        return await project_streams(
            log=ground.log,
            database=self._database,
            settings=ground.settings,
            clock=ground.clock,
            # Nobody gets one.
            tokens=tokens_of(ground.log, 0, ground.streams),
            kinds=ground.streams,
            group=_GROUP,
            covered=covered,
        )

    async def catch_up(self) -> None:
        """Read the topics until the copy is as new as the one that serves."""
        await self._read_late_invites()
        projection = await self._projection(await self._database.read(select_covered))
        consumers = [topic.consumer for topic in projection.topics]
        # What was covered is behind all of these.
        ends = [await self._ends_of(one.topic.name) for one in consumers]
        await self._consume(consumers, ends, may_be_behind=_SMALL_LAG)

    async def _read_late_invites(self) -> None:
        """Read from where the serving copy was up to where the new one begins."""
        ground, store = self._ground, late_invites.STORE
        if await self._database.read(store.select_offsets):
            ends = await self._database.read(
                ConsumerStore(NAME, OUTPUT_ROOM_EVENT.name).select_offsets
            )
            invites = late_invites.late_invites(
                ground.log, self._database, ground.clock, group=f"{_GROUP}-invites"
            )
            await self._consume([invites], [ends])
            await self._database.write(store.delete)

    async def _ends_of(self, topic: str) -> dict[int, int]:
        return {one: end for one, (_, end) in (await self._ground.log.bounds(topic)).items()}

    async def _consume(
        self,
        consumers: Sequence[Consumer[Any]],
        ends: Sequence[Mapping[int, int]],
        *,
        may_be_behind: int | None = None,
    ) -> None:
        """Run these until they are past these ends, and not too far behind the topics' own."""
        running = [asyncio.create_task(one.run()) for one in consumers]
        try:
            while not await self._has_caught_up(consumers, ends, may_be_behind):
                done, _ = await asyncio.wait(
                    running, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                for ended in done:
                    ended.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    async def _has_caught_up(
        self,
        consumers: Sequence[Consumer[Any]],
        ends: Sequence[Mapping[int, int]],
        may_be_behind: int | None,
    ) -> bool:
        behind = 0
        is_past = True
        try:
            for consumer, upto in zip(consumers, ends, strict=True):
                positions = await consumer.positions()
                is_past &= all(positions.get(one, 0) >= end for one, end in upto.items())
                behind += sum((await consumer.lag()).values())
        except (DatabaseOutage, LogOutage) as outage:
            _log.warning("the rebuild waits", extra={"outage": str(outage)})
            return False
        told = RebuildProgress("the topics", self._rooms, self._all_rooms, self._records, behind)
        self._progress(told)
        return is_past and (may_be_behind is None or behind <= may_be_behind)
