"""GET /sync: answers from memory where it can, from the database where it must, and waits."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from base.database import Database
from components.syncapi.changes import AccountDatum
from components.syncapi.position import SyncPosition, later
from components.syncapi.projected import Projected
from components.syncapi.rendering import Reader
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.account_data import select_account_data
from components.syncapi.sync.fragments import FragmentMaker
from components.syncapi.sync.looking import Found, Look, PartitionOf
from components.syncapi.sync.members import SentMembers
from components.syncapi.sync.reading import read_sections
from components.syncapi.sync.request import SyncRequest
from components.syncapi.sync.response import Parts, render_answer
from components.syncapi.sync.sections import RoomTask, Section, wants
from components.syncapi.tokens import Tokens
from matrix.filters import Filter

_NO_DATA: Final[list[AccountDatum]] = []


class Query(msgspec.Struct, gc=False):
    """The parameters of one /sync."""

    user_id: str
    device_id: str
    since: SyncPosition | None
    filter: Filter
    timeout_s: float = 0.0
    full_state: bool = False
    use_state_after: bool = False


class SyncService:
    """Answers /sync for one device at a time."""

    def __init__(
        self,
        *,
        projected: Projected,
        database: Database,
        tokens: Tokens,
        settings: SyncApiSettings,
        now_ms: Callable[[], int],
        room_partition: PartitionOf,
        user_partition: PartitionOf,
    ) -> None:
        self._projected = projected
        self._database = database
        self._tokens = tokens
        self._settings = settings
        self._now_ms = now_ms
        self._room_partition = room_partition
        self._user_partition = user_partition
        self._sent_members: Final = SentMembers(settings.cached_lazy_rooms)
        self._fragments: Final = FragmentMaker(tokens, self._sent_members, projected.summaries)

    async def sync(self, query: Query) -> bytes:
        """Return the answer's body, after waiting for something to tell if the query says so."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + query.timeout_s
        projected = self._projected
        since = query.since
        may_wait = since is not None and query.timeout_s > 0 and not query.full_state
        while True:
            position, parts = await self._answer(query, since)
            if not may_wait or not parts.is_empty:
                return render_answer(self._token(position), parts)
            # What has been looked through need not be looked through again.
            since = position
            if later(projected.position, since) == since:
                may_wait = await projected.polls.wait(query.user_id, deadline)

    def _token(self, position: SyncPosition) -> str:
        if position == self._projected.position:
            return self._projected.token
        return self._tokens.encode(position)

    async def _answer(self, query: Query, since: SyncPosition | None) -> tuple[SyncPosition, Parts]:
        """Return what there is to tell from `since` on, and how far that goes."""
        client_data_upto = self._projected.position.client_data
        data = await self._account_data(query, since, client_data_upto)
        user = await self._projected.user(query.user_id)
        # No more waiting from here until the look is over: position and memory belong together.
        position = SyncPosition(self._projected.position.rooms, client_data_upto)
        if since is not None:
            # After a crash the projection may be behind what a client has read already.
            position = later(position, since)
        request = SyncRequest(
            Reader(query.user_id, query.device_id, self._now_ms()),
            since,
            position,
            query.filter,
            query.full_state,
            query.use_state_after,
            self._settings.max_scanned_events,
        )
        look = Look(
            request,
            memberships=user.rooms,
            account_data=data,
            sent_members=self._sent_members,
            summaries=self._projected.summaries,
            partition_of=self._room_partition,
        )
        if since is None or query.full_state:
            look.begin()
        elif self._projected.recent.reaches(since.rooms):
            look.in_memory(since.rooms, self._projected.recent, self._fragments)
        else:
            look.everywhere()
        parts = Parts(join=look.found.ready)
        parts.account_data = [
            datum for datum in data if not datum.room_id and wants(query.filter.account_data, datum)
        ]
        if look.found.tasks or look.found.unsure:
            await self._read(request, look.found, parts)
        return position, parts

    async def _account_data(
        self, query: Query, since: SyncPosition | None, upto: tuple[int, ...]
    ) -> list[AccountDatum]:
        partition = self._user_partition(query.user_id)
        from_order = 0 if since is None else since.client_data[partition]
        if since is not None:
            user = await self._projected.user(query.user_id)
            if user.account_data_order < from_order:
                return _NO_DATA
        read = partial(
            select_account_data,
            user_id=query.user_id,
            from_order=from_order,
            to_order=upto[partition],
        )
        return await self._database.read(read)

    async def _read(self, request: SyncRequest, found: Found, parts: Parts) -> None:
        read = partial(
            read_sections,
            request=request,
            tasks=found.tasks,
            unsure=found.unsure,
            tokens=self._tokens,
        )
        heavy = request.since is None or request.full_state or bool(found.unsure)
        sections = await self._database.read(read, heavy=heavy)
        for task, section in sections:
            entry = (task.room_id, section.json)
            match task.now.membership:
                case "join":
                    parts.join.append(entry)
                    self._learn(request, task, section)
                case "invite":
                    parts.invite.append(entry)
                case "knock":
                    parts.knock.append(entry)
                case _:
                    parts.leave.append(entry)

    def _learn(self, request: SyncRequest, task: RoomTask, section: Section) -> None:
        """Remember what the database was asked for, as far as it still holds."""
        if request.filter.room.state.lazy_load_members:
            device_room = (request.user_id, request.reader.device_id, task.room_id)
            if section.begins:
                self._sent_members.forget(device_room)
            self._sent_members.note(device_room, section.sent_members, task.upto)
        if section.summary is not None:
            partition = self._room_partition(task.room_id)
            room = self._projected.recent.get(partition, task.room_id)
            # A change while the database was read made it void before it is kept.
            if room is None or room.members_changed < task.upto:
                self._projected.summaries[task.room_id] = section.summary
