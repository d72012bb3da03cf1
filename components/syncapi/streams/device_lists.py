"""The stream of keys: whose lists of devices changed, and how many keys of a device are left."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from base.database import Connection, Database
from components.syncapi.changes import Membership
from components.syncapi.position import ROOMS, Offsets, SyncPosition, later
from components.syncapi.rooms.sharing import Between, Sharing
from components.syncapi.store.key_changes import insert_key_changes
from components.syncapi.store.key_counts import (
    KeyCounts,
    delete_key_counts,
    select_key_counts,
    upsert_key_counts,
)
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.device_lists_reading import (
    ChangedKeys,
    DeviceLists,
    ListsQuery,
    lists_of,
    read_all_lists,
    read_lists,
)
from components.syncapi.streams.history import HistorySource, Stage
from components.syncapi.streams.key_history import key_stages
from components.syncapi.streams.key_news import KeyNews, find_rooms, news_of, no_counts
from components.syncapi.streams.recent_key_changes import KnownKeyCounts, RecentKeyChanges
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.stream import ProjectedStream, StreamContext, WantedRows
from components.syncapi.tokens import Absent
from logs.consumer import Message
from logs.following.projected_topic import FollowedRecords, Reject
from logs.records.key_changes import OutputKeyChange
from logs.topics import OUTPUT_KEY_CHANGE, OUTPUT_ROOM_EVENT

_LOADED: Final = 10
"""So many users whose keys changed are brought into memory for one answer."""
_NOBODY: Final[frozenset[str]] = frozenset()


class DeviceListStream(ProjectedStream[OutputKeyChange, KeyNews]):
    """Tells whose keys changed to those who share rooms, and each device how many it has left.

    It is asked after all streams that tell of rooms: what it tells goes as far as memory is then.
    """

    name = "keys"
    number = 6
    topic = OUTPUT_KEY_CHANGE
    absent = Absent.NOW
    precedes_events = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        self._database: Final[Database] = context.database
        self._room_partition: Final = partial(context.log.partition_of, OUTPUT_ROOM_EVENT.name)
        floors = list(self.progress.next_offsets)
        self._recent: Final = RecentKeyChanges(floors, context.settings.recent_key_changes)
        self._counts: Final = KnownKeyCounts(context.settings.cached_key_counts)

    @classmethod
    def stages(cls, source: HistorySource) -> list[Stage]:
        """Return what it is rebuilt from."""
        return key_stages(source)

    def write(
        self,
        connection: Connection,
        messages: Sequence[Message[OutputKeyChange]],
        reject: Reject[OutputKeyChange],
    ) -> KeyNews:
        """Write a batch of changes and counts."""
        del reject  # there is nothing to refuse
        partition = messages[0].position.partition
        news = news_of(partition, [(one.position.offset, one.value) for one in messages])
        # Those of histories come before all tokens.
        insert_key_changes(connection, [one for one in news.changes if one.stream_order >= 0])
        upsert_key_counts(
            connection, [one for device, one in news.counts.items() if device not in news.removed]
        )
        delete_key_counts(connection, sorted(news.removed))
        find_rooms(connection, [news])
        return news

    def confirm(
        self, connection: Connection, followed: Mapping[int, FollowedRecords[OutputKeyChange]]
    ) -> Mapping[int, KeyNews]:
        """Return what the records tell: the projection takes every one as it is."""
        found = {partition: news_of(partition, one.records) for partition, one in followed.items()}
        find_rooms(connection, list(found.values()))
        return found

    def learn(self, partition: int, news: KeyNews) -> None:
        """Take in what changed, and wake those whom it concerns."""
        known = self.progress.at(partition)
        user_ids: set[str] = set()
        rooms: set[str] = set()
        for change in news.changes:
            if change.stream_order >= known:
                self._recent.add(change)
                user_ids.add(change.told_to or change.user_id)
                if not change.told_to:
                    rooms |= news.joined_rooms.get(change.user_id, _NOBODY)
        counts = [one for one in news.counts.values() if one.stream_order >= known]
        self._counts.note(counts)
        self._projected.wake(rooms, user_ids)
        self._projected.polls.wake_devices([(one.user_id, one.device_id) for one in counts])

    async def look(self, request: SyncRequest, answer: SyncAnswer) -> WantedRows[Any] | None:
        """Tell what memory knows, and ask the database where somebody moved or memory ends."""
        ends = later((self.progress.next_offsets,), (request.upto[self.slot],))[0]
        if ends != request.upto[self.slot]:
            answer.told_up_to[self.slot] = ends
        look = _Look(request, answer, ends)
        query = await self._query(look)
        counts = self._counts.get(request.user_id, request.reader.device_id)
        if counts is not None:
            self._tell_counts(look, counts)
        if query is None and not request.begins_anew and counts is not None:
            return None
        return WantedRows(
            partial(_read, look=look, query=query, with_counts=counts is None),
            partial(self._tell, look),
            is_heavy=request.begins_anew or (query is not None and query.moved_rooms is None),
        )

    async def _query(self, look: "_Look") -> ListsQuery | None:
        """Return what only the database knows of lists; what memory knows is told."""
        request = look.request
        since = request.since
        if since is None:
            return None
        reader_id = request.user_id
        changed = None
        if self._recent.reaches(since[self.slot]):
            changed = ChangedKeys(*self._recent.between(reader_id, since[self.slot], look.ends))
        moved_rooms = self._moved_rooms(request, since)
        if changed is not None and moved_rooms is not None and not moved_rooms:
            if not any(changed):
                return None
            sharing = await self._known_sharing(request, changed)
            if sharing is not None:
                _tell_lists(look.answer, lists_of(reader_id, changed, sharing))
                return None
        between = Between(since[ROOMS], request.upto[ROOMS], self._room_partition)
        memberships = _memberships(request, between)
        return ListsQuery(
            reader_id, between, since[self.slot], look.ends, memberships, moved_rooms, changed
        )

    def _moved_rooms(self, request: SyncRequest, since: SyncPosition) -> list[str] | None:
        """Return rooms of the reader where somebody moved; None if only the database knows."""
        recent = self._projected.recent
        if not recent.reaches(since[ROOMS]):
            return None
        moved: list[str] = []
        for room in recent.changed_among(since[ROOMS], request.memberships, self._room_partition):
            start = since[ROOMS][room.partition]
            now = request.memberships.get(room.room_id)
            if (
                now is not None
                and room.members_moved >= start
                and (now.membership == "join" or now.stream_order >= start)
            ):
                moved.append(room.room_id)
        return moved

    async def _known_sharing(self, request: SyncRequest, changed: ChangedKeys) -> Sharing | None:
        """Return whether those share a room whose keys changed; None if the database has to say."""
        others = changed.of_all - {request.user_id}
        if len(others) > _LOADED:
            return None
        sharing: set[str] = set()
        for user_id in others:
            # All who share a room with them need them, and soon they will sync.
            user = await self._projected.user(user_id)
            shares = self._shares(request, user.rooms)
            if shares is None:
                return None
            if shares:
                sharing.add(user_id)
        return Sharing(_NOBODY, _NOBODY, sharing)

    def _shares(self, request: SyncRequest, theirs: Mapping[str, Membership]) -> bool | None:
        """Whether the reader shares a room with somebody, as far as memory can tell.

        It may be further than the request goes.
        """
        upto = request.upto[ROOMS]
        some, others = sorted((request.memberships, theirs), key=len)
        is_sure = True
        for room_id, one in some.items():
            other = others.get(room_id)
            if other is None:
                continue
            newest = max(one.stream_order, other.stream_order)
            if newest >= upto[self._room_partition(room_id)]:
                is_sure = False
            elif one.membership == other.membership == "join":
                return True
        return False if is_sure else None

    async def _tell(self, look: "_Look", found: "_Found") -> None:
        if found.lists is not None:
            _tell_lists(look.answer, found.lists)
        if found.counts is not None:
            self._counts.note([found.counts])
            self._tell_counts(look, found.counts)

    def _tell_counts(self, look: "_Look", counts: KeyCounts) -> None:
        since = look.request.since
        partition = self._partition_of(counts.user_id)
        has_changed = since is not None and counts.stream_order >= since[self.slot][partition]
        sections = look.answer.sections if has_changed else look.answer.in_every_answer
        sections["device_one_time_keys_count"] = counts.one_time_keys
        sections["device_unused_fallback_key_types"] = counts.unused_fallback_types

    async def lists(self, reader_id: str, start: SyncPosition, end: SyncPosition) -> DeviceLists:
        """Return what changed for a user between two positions, from the database."""
        end = later(start, end)
        between = Between(start[ROOMS], end[ROOMS], self._room_partition)
        query = ListsQuery(reader_id, between, start[self.slot], end[self.slot])
        read = partial(read_lists, query=query)
        return await self._database.read(read, heavy_for=reader_id)

    async def all_lists(self, reader_id: str) -> DeviceLists:
        """Return that all have changed with whom a user shares rooms."""
        read = partial(read_all_lists, reader_id=reader_id)
        return await self._database.read(read, heavy_for=reader_id)


class _Look(NamedTuple):
    request: SyncRequest
    answer: SyncAnswer
    ends: Offsets
    """How far keys are told."""


class _Found(NamedTuple):
    lists: DeviceLists | None
    counts: KeyCounts | None


def _read(
    connection: Connection, *, look: _Look, query: ListsQuery | None, with_counts: bool
) -> _Found:
    reader = look.request.reader
    lists: DeviceLists | None = None
    if look.request.begins_anew:
        lists = read_all_lists(connection, reader.user_id)
    elif query is not None:
        lists = read_lists(connection, query)
    counts: KeyCounts | None = None
    if with_counts:
        counts = select_key_counts(connection, reader.user_id, reader.device_id) or no_counts(
            reader.user_id, reader.device_id
        )
    return _Found(lists, counts)


def _memberships(request: SyncRequest, between: Between) -> Mapping[str, Membership]:
    """Return the rooms that the reader may have been in: as they are now, for other threads."""
    return {
        room_id: now
        for room_id, now in request.memberships.items()
        if now.membership == "join"
        or now.stream_order >= between.start[between.partition_of(room_id)]
    }


def _tell_lists(answer: SyncAnswer, lists: DeviceLists) -> None:
    if any(lists):
        answer.sections["device_lists"] = lists.render()
