"""GET /sync: answers from memory where it can, from the database where it must, and waits."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final, NamedTuple

import msgspec

from base.database import Database
from base.slices import Slices
from components.syncapi.changes import AccountDatum, Membership
from components.syncapi.memory.projected import Projected
from components.syncapi.notifications.counting import COUNTED_BY, UnreadCounts, UnreadReader
from components.syncapi.position import SyncPosition, completed, later
from components.syncapi.room_summary import Summary
from components.syncapi.rooms.paging import FROM_THE_START
from components.syncapi.rooms.rendering import Reader
from components.syncapi.settings import SyncApiSettings
from components.syncapi.store.account_data import select_account_data
from components.syncapi.streams.request import STATE, SyncRequest
from components.syncapi.streams.rooms.fragments import FragmentMaker
from components.syncapi.streams.rooms.looking import Found, Look, PartitionOf
from components.syncapi.streams.rooms.reading import read_sections
from components.syncapi.streams.rooms.sections import RoomTask, Section, wants
from components.syncapi.streams.rooms.sent_members import SentMembers, SentRoom
from components.syncapi.sync.ephemeral import Ephemeral, EphemeralLook
from components.syncapi.sync.federation_format import FederationFormat
from components.syncapi.sync.response import Parts, render_answer
from components.syncapi.sync.waiting import Check, Wait, Waiter
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester
from matrix.filters import Filter

_LIGHT_ROOMS: Final = 10
_NO_DATA: Final[list[AccountDatum]] = []
_NO_COUNTS: Final[Mapping[str, bytes]] = {}
_NO_MEMBERS: Final[Mapping[str, AbstractSet[str]]] = {}


class Query(msgspec.Struct, gc=False):
    """The parameters of one /sync."""

    requester: Requester
    since: SyncPosition | None
    filter: Filter
    check: Check
    timeout_s: float = 0.0
    full_state: bool = False
    state_name: str = STATE
    begins_anew: bool = False
    """Whether there was a token that means nothing any more; then `since` is None."""

    @property
    def user_id(self) -> str:
        """The user who asks."""
        return self.requester.user_id

    @property
    def device_id(self) -> str:
        """The device that asks."""
        return self.requester.device_id


class SyncService:
    """Answers /sync for one device at a time."""

    def __init__(
        self,
        *,
        projected: Projected,
        database: Database,
        tokens: SyncTokens,
        settings: SyncApiSettings,
        now_ms: Callable[[], int],
        room_partition: PartitionOf,
        user_partition: PartitionOf,
        ephemeral: EphemeralLook,
        unread: UnreadCounts,
        federation_format: FederationFormat,
        slices: Slices,
    ) -> None:
        self._federation_format: Final = federation_format
        self._projected = projected
        self._waiter: Final = Waiter(projected, now_ms)
        self._database = database
        self._tokens = tokens
        self._settings = settings
        self._now_ms = now_ms
        self._room_partition = room_partition
        self._user_partition = user_partition
        self._ephemeral: Final = ephemeral
        self._unread: Final = unread
        self._sent_members: Final = SentMembers(settings.cached_lazy_rooms)
        self._fragments: Final = FragmentMaker(tokens, projected.summaries)
        self._slices: Final = slices

    async def sync(self, query: Query) -> bytes:
        """Return the answer's body, after waiting for something to tell if the query says so."""
        loop = asyncio.get_running_loop()
        wait = Wait(query.requester, query.check, loop.time() + query.timeout_s)
        projected = self._projected
        since = None if query.since is None else completed(query.since, projected.position)
        exchange = _Exchange(query, self._known_members(query), [])
        may_wait = since is not None and query.timeout_s > 0 and not query.full_state
        while True:
            view = await self._view(query, since)
            position, parts = await self._answer(exchange, since, view)
            if not may_wait or not parts.is_empty:
                return await self._finish(exchange, position, parts)
            # What has been looked through need not be looked through again.
            since = position
            if later(projected.position, since) == since:
                may_wait = await self._waiter.wait(wait)

    def _known_members(self, query: Query) -> Mapping[str, AbstractSet[str]]:
        if not query.filter.room.state.lazy_load_members:
            return _NO_MEMBERS
        device = (query.user_id, query.device_id)
        return self._sent_members.come(device, query.since, query.filter)

    async def _finish(self, exchange: "_Exchange", position: SyncPosition, parts: Parts) -> bytes:
        query = exchange.query
        if query.filter.room.state.lazy_load_members:
            device = (query.user_id, query.device_id)
            self._sent_members.go(device, query.since, position, query.filter, exchange.sent)
        token = (
            self._projected.token
            if position == self._projected.position
            else self._tokens.encode(position)
        )
        if query.filter.event_format == "federation":
            parts.join = await self._federation_format.converted(parts.join, query.filter)
            parts.leave = await self._federation_format.converted(parts.leave, query.filter)
        return await render_answer(token, parts, self._slices)

    async def _view(self, query: Query, since: SyncPosition | None) -> "_View":
        """Return what memory knows."""
        client_data_upto = self._projected.position.client_data
        data = await self._account_data(query, since, client_data_upto)
        # Looks that take long do not follow one another without a pause.
        await self._slices.next()
        user = await self._projected.user(query.user_id)
        # No more waiting from here until the look is over: position and memory belong together.
        position = msgspec.structs.replace(self._projected.position, client_data=client_data_upto)
        is_recent = since is not None and self._projected.recent.reaches(since.rooms)
        return _View(
            position,
            user.rooms,
            user.ignored,
            data,
            self._projected.summaries,
            is_recent=is_recent,
            account_data_order=user.account_data_order,
        )

    def _client_data_since(self, query: Query, since: SyncPosition | None) -> int:
        if since is None:
            return FROM_THE_START
        return since.client_data[self._user_partition(query.user_id)]

    async def _answer(
        self, exchange: "_Exchange", since: SyncPosition | None, view: "_View"
    ) -> tuple[SyncPosition, Parts]:
        """Return what there is to tell from `since` on, and how far that goes."""
        query = exchange.query
        # After a crash the projection may be behind what a client has read already.
        position = view.position if since is None else later(view.position, since)
        request = SyncRequest(
            Reader(query.user_id, query.device_id, self._now_ms()),
            since,
            position,
            query.filter,
            query.full_state,
            query.state_name,
            self._settings.max_scanned_events,
            exchange.known_members,
            view.ignored,
            query.begins_anew,
        )
        look = Look(
            request,
            memberships=view.memberships,
            account_data=view.account_data,
            summaries=view.summaries,
            partition_of=self._room_partition,
            slices=self._slices,
        )
        if since is None or query.full_state:
            await look.begin()
        elif view.is_recent:
            look.in_memory(since.rooms, self._projected.recent, self._fragments)
        else:
            await look.everywhere()
        begun = [
            task.room_id
            for task in look.found.tasks
            if task.begins and task.now.membership == "join"
        ]
        ephemeral = self._ephemeral.look(request, view.memberships, begun)
        parts = Parts(join=look.found.ready)
        parts.account_data = [
            datum
            for datum in view.account_data
            if not datum.room_id and wants(query.filter.account_data, datum)
        ]
        room_data: dict[str, list[AccountDatum]] = {}
        if look.found.tasks or look.found.unsure:
            room_data = await self._read(request, look.found, parts, exchange.sent)
        if ephemeral.wanted:
            read = partial(self._ephemeral.read, request=request, found=ephemeral)
            # A client that begins again hears of the receipts of many users in many rooms.
            await self._database.read(read, heavy_for=request.user_id, begins_light=not begun)
        unread = await self._unread_counts(request, view, parts, ephemeral, look.found.recounted)
        parts.join = await self._ephemeral.complete(
            request, parts.join, room_data, ephemeral, unread
        )
        return position, parts

    async def _unread_counts(
        self,
        request: SyncRequest,
        view: "_View",
        parts: Parts,
        ephemeral: Ephemeral,
        unsure: Collection[str],
    ) -> Mapping[str, bytes]:
        """Return the unread counts of all rooms that are told of.

        Of the `unsure` ones and others it adds those whose counts have changed to what is told.
        """
        rooms = dict.fromkeys(
            [*(room_id for room_id, _ in parts.join), *ephemeral.further_rooms(), *unsure]
        )
        has_changed_rules = request.since is not None and any(
            datum.type in COUNTED_BY and not datum.room_id for datum in view.account_data
        )
        if has_changed_rules:
            for room_id, now in view.memberships.items():
                if now.membership == "join" and request.filter.room.includes_room(room_id):
                    rooms[room_id] = None
        if not rooms:
            return _NO_COUNTS
        reader = UnreadReader(
            request.user_id,
            view.memberships,
            view.ignored,
            request.upto.rooms,
            view.account_data_order,
        )
        counts = await self._unread.count(reader, rooms)
        if has_changed_rules:
            ephemeral.recounted.update(counts.unread)
        if request.since is not None:
            since = request.since.rooms
            ephemeral.recounted.update(
                room_id
                for room_id in unsure
                if counts.unread_counts[room_id].changed_at >= since[self._room_partition(room_id)]
            )
        by_thread = request.filter.room.timeline.unread_thread_notifications
        return {
            room_id: unread_count.render(by_thread=by_thread)
            for room_id, unread_count in counts.unread_counts.items()
        }

    async def _account_data(
        self, query: Query, since: SyncPosition | None, upto: tuple[int, ...]
    ) -> list[AccountDatum]:
        from_order = self._client_data_since(query, since)
        if since is not None:
            user = await self._projected.user(query.user_id)
            if user.account_data_order < from_order:
                return _NO_DATA
        read = partial(
            select_account_data,
            user_id=query.user_id,
            from_order=from_order,
            to_order=upto[self._user_partition(query.user_id)],
        )
        return await self._database.read(read, heavy_for=query.user_id, begins_light=True)

    async def _read(
        self, request: SyncRequest, found: Found, parts: Parts, sent: list[SentRoom]
    ) -> dict[str, list[AccountDatum]]:
        """Add the parts that the database knows; return the account data of joined rooms."""
        account_data: dict[str, list[AccountDatum]] = {}
        read = partial(
            read_sections,
            request=request,
            tasks=found.tasks,
            unsure=found.unsure,
            tokens=self._tokens,
        )
        is_heavy = (
            request.since is None
            or request.full_state
            or bool(found.unsure)
            or not request.filter.room.timeline.is_pass_all
            or len(found.tasks) > _LIGHT_ROOMS
            or any(task.begins for task in found.tasks)
        )
        sections = await self._database.read(
            read, heavy_for=request.user_id, begins_light=not is_heavy
        )
        for task, section in sections:
            await self._slices.next()
            entry = (task.room_id, section.json)
            match task.now.membership:
                case "join":
                    parts.join.append(entry)
                    account_data[task.room_id] = section.account_data
                    self._learn(task, section)
                    if request.filter.room.state.lazy_load_members:
                        members = section.sent_members
                        sent.append(SentRoom(task.room_id, members, begins=section.begins))
                case "invite":
                    parts.invite.append(entry)
                case "knock":
                    parts.knock.append(entry)
                case _:
                    parts.leave.append(entry)
        return account_data

    def _learn(self, task: RoomTask, section: Section) -> None:
        """Remember the summary that the database was asked for, as far as it still holds."""
        if section.summary is None:
            return
        partition = self._room_partition(task.room_id)
        recent = self._projected.recent
        room = recent.get(partition, task.room_id)
        # A change while the database was read made it void before it is kept.
        if recent.covers(partition, task.upto) and (
            room is None or room.summary_changed < task.upto
        ):
            self._projected.summaries[task.room_id] = section.summary


class _View(NamedTuple):
    """What an answer is made of, as it is at one position."""

    position: SyncPosition
    memberships: Mapping[str, Membership]
    ignored: AbstractSet[str]
    account_data: list[AccountDatum]
    summaries: Mapping[str, Summary]
    is_recent: bool
    """Whether memory has everything since the client's position."""
    account_data_order: int
    """Of the user's last change of account data."""


class _Exchange(NamedTuple):
    """One request, and what is noted for its end."""

    query: Query
    known_members: Mapping[str, AbstractSet[str]]
    sent: list[SentRoom]
