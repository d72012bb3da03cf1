"""How client sync's tables are made again: from histories, and from the topics behind them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from base.clock import Clock
from base.database import Connection, Database
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
    select_covered,
    select_pending_invites,
)
from components.syncapi.store.tables import SCHEMA
from components.syncapi.streams.catalogue import STREAMS, projected_topics
from components.syncapi.streams.history import Histories, HistoryPart, HistorySource
from components.syncapi.streams.stream import ProjectedStream, StreamKinds
from logs.consumer.tables import ConsumerStore, reset_positions
from logs.log import Log
from logs.rebuilding.catching_up import CatchingUp
from logs.rebuilding.reader import ConsumerName
from logs.topics import OUTPUT_ROOM_EVENT

_log: Final = logging.getLogger(__name__)

_GROUP: Final = f"{NAME}-rebuild"
_ROOM_EVENTS: Final = ConsumerName(NAME, OUTPUT_ROOM_EVENT.name)
_SMALL_LAG: Final = 500
"""Records of all topics that the new copy may be behind when it begins to serve."""


class RebuiltSync:
    """Client sync as a reader that can be made again (`logs.rebuilding.reader.RebuiltReader`)."""

    schema: Final = SCHEMA
    start: Final = Cursor()

    def __init__(
        self,
        log: Log,
        histories: Histories,
        settings: SyncApiSettings,
        clock: Clock,
        streams: StreamKinds = STREAMS,
    ) -> None:
        self._log: Final = log
        self._histories: Final = histories
        self._settings: Final = settings
        self._clock: Final = clock
        self._streams: Final = streams
        self._topics: Final = [topic.name for topic in projected_topics(streams)]

    @property
    def positions(self) -> Sequence[ConsumerName]:
        """Return whose positions a copy may have."""
        return [*(ConsumerName(NAME, topic) for topic in self._topics), late_invites.NAME]

    async def begin(self, former: Database | None) -> Callable[[Connection], None]:
        """Return what a new copy begins with: positions, and invites from other servers."""
        generation = self._log.generation
        bounds = {topic: await self._log.bounds(topic) for topic in self._topics}
        positions, invites = await self._what_serves(former, bounds)
        starts = {topic: _ends(found) for topic, found in bounds.items()}
        for kind in self._streams:
            if issubclass(kind, ProjectedStream) and kind.is_carried:
                starts[kind.topic.name] = positions[kind.topic.name]

        def work(connection: Connection) -> None:
            insert_pending_invites(connection, invites)
            late_invites.begin_at(connection, positions[OUTPUT_ROOM_EVENT.name], generation)
            for topic, offsets in starts.items():
                reset_positions(connection, NAME, topic, offsets, generation)

        return work

    async def _what_serves(
        self, former: Database | None, bounds: Mapping[str, Mapping[int, tuple[int, int]]]
    ) -> tuple[dict[str, dict[int, int]], list[PendingInvite]]:
        """Return by topic where the serving copy is in what the log keeps, and its invites."""
        generation = self._log.generation

        def offsets_of(connection: Connection, topic: str) -> dict[int, int]:
            stored = ConsumerStore(NAME, topic).select_stored(connection)
            offsets: dict[int, int] = {}
            for partition, (first, end) in bounds[topic].items():
                one = stored.get(partition)
                is_here = one is not None and one.progress.generation == generation
                offset = one.offset if one is not None and is_here else first
                offsets[partition] = min(max(offset, first), end)
            return offsets

        def work(
            connection: Connection,
        ) -> tuple[dict[str, dict[int, int]], list[PendingInvite]]:
            positions = {topic: offsets_of(connection, topic) for topic in bounds}
            return positions, select_pending_invites(connection)

        if former is None:
            _log.warning("there are no tables to take invites and messages to devices from")
            firsts = {
                topic: {partition: first for partition, (first, _) in found.items()}
                for topic, found in bounds.items()
            }
            return firsts, []
        return await former.read(work, heavy_for="rebuild")

    async def count_rooms(self) -> int:
        """Return how many rooms there are."""
        return await self._reader(None).count_rooms()

    def _reader(self, former: Database | None) -> HistoryReader:
        source = HistorySource(self._log, self._histories, NAME, former)
        return HistoryReader(source, self._streams)

    async def history(self, copy: Database, former: Database | None) -> "_SyncHistory":
        """Return the histories of all streams, and what the copy that serves knows of events."""
        return _SyncHistory(self._reader(former), HistoryWriter(await self._project(copy, {})))

    async def _project(self, copy: Database, covered: Mapping[str, int]) -> ProjectedStreams:
        return await project_streams(
            log=self._log,
            database=copy,
            settings=self._settings,
            clock=self._clock,
            # Nobody gets one.
            tokens=tokens_of(self._log, 0, self._streams),
            kinds=self._streams,
            group=_GROUP,
            covered=covered,
        )

    async def catch_up(self, copy: Database, catching_up: CatchingUp) -> None:
        """Read the invites that are in no history, then the topics."""
        await self._read_late_invites(copy, catching_up)
        projected = await self._project(copy, await copy.read(select_covered))
        consumers = [topic.consumer for topic in projected.topics]
        # What was covered is behind all of these.
        ends = [await self._ends_of(one.topic.name) for one in consumers]
        await catching_up.read(consumers, ends, may_be_behind=_SMALL_LAG)

    async def _read_late_invites(self, copy: Database, catching_up: CatchingUp) -> None:
        """Read from where the serving copy was up to where the new one begins."""
        store = late_invites.STORE
        if await copy.read(store.select_offsets):
            ends = await copy.read(ConsumerStore(*_ROOM_EVENTS).select_offsets)
            invites = late_invites.late_invites(
                self._log, copy, self._clock, group=f"{_GROUP}-invites"
            )
            await catching_up.read([invites], [ends])
            await copy.write(store.delete)

    async def _ends_of(self, topic: str) -> dict[int, int]:
        return _ends(await self._log.bounds(topic))


def _ends(bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    return {partition: end for partition, (_, end) in bounds.items()}


class _SyncHistory:
    """The histories of all streams, as they are written into a copy."""

    def __init__(self, reader: HistoryReader, writer: HistoryWriter) -> None:
        self._reader: Final = reader
        self._writer: Final = writer

    async def read(self, cursor: Cursor) -> "_SyncPart | None":
        """Return the part behind a cursor."""
        part = await self._reader.read(cursor)
        if part is None:
            return None
        return _SyncPart(self._writer, part, self._reader.stage_at(part.after) is None)

    def describe(self, cursor: Cursor) -> tuple[str, int]:
        """Return which history is read, and how many rooms are whole."""
        stage = self._reader.stage_at(cursor)
        return "the topics" if stage is None else stage.name, cursor.rooms


class _SyncPart(NamedTuple):
    """A part of a history, with who writes it."""

    writer: HistoryWriter
    part: HistoryPart
    is_last: bool

    @property
    def after(self) -> Cursor:
        """Return how far the histories are then."""
        return self.part.after

    @property
    def records(self) -> int:
        """Return how many records it has."""
        return sum(map(len, self.part.messages.values()))

    def write(self, connection: Connection) -> None:
        """Write it."""
        self.writer.write(connection, self.part, is_last=self.is_last)
