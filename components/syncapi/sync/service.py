"""GET /sync: asks the streams what there is between two positions, and waits for something."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from base.database import Connection, Database
from base.slices import Slices
from components.syncapi.memory.freshness import Freshness
from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition, completed, later, with_offsets
from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.request import STATE, SyncRequest
from components.syncapi.streams.sent_members import SentMembers
from components.syncapi.streams.stream import SyncStream, WantedRows
from components.syncapi.sync.completing import RoomParts
from components.syncapi.sync.federation_format import FederationFormat
from components.syncapi.sync.response import render_answer
from components.syncapi.sync.unread import UnreadSections
from components.syncapi.sync.waiting import Check, Wait, Waiter
from components.syncapi.timeline.rendering import Reader
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester
from matrix.filters import Filter

_ENCRYPTED: Final = b'"m.room.encrypted"'
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
    former: SyncPosition | None = None
    """What such a token says, where another copy of the tables made it."""

    @property
    def device(self) -> tuple[str, str]:
        """The user and the device that ask."""
        return self.requester.user_id, self.requester.device_id


class SyncService:
    """Answers /sync for one device at a time."""

    def __init__(
        self,
        *,
        projected: Projected,
        streams: Sequence[SyncStream[Any, Any]],
        database: Database,
        tokens: SyncTokens,
        settings: SyncApiSettings,
        now_ms: Callable[[], int],
        unread: UnreadSections,
        parts: RoomParts,
        federation_format: FederationFormat,
        slices: Slices,
        freshness: Freshness,
    ) -> None:
        self._freshness: Final = freshness
        self._projected: Final = projected
        self._streams: Final = streams
        self._waiter: Final = Waiter(projected, now_ms)
        self._database: Final = database
        self._tokens: Final = tokens
        self._settings: Final = settings
        self._now_ms: Final = now_ms
        self._unread: Final = unread
        self._parts: Final = parts
        self._federation_format: Final = federation_format
        self._slices: Final = slices
        self._sent_members: Final = SentMembers(settings.cached_lazy_rooms)

    async def sync(self, query: Query) -> bytes:
        """Return the answer's body, after waiting for something to tell if the query says so."""
        loop = asyncio.get_running_loop()
        wait = Wait(query.requester, query.check, loop.time() + query.timeout_s)
        projected = self._projected
        since = None if query.since is None else completed(query.since, projected.position)
        known_members = self._known_members(query)
        may_wait = since is not None and query.timeout_s > 0 and not query.full_state
        while True:
            request = await self._request(query, since, known_members)
            answer = await self._answer(request)
            if not may_wait or not answer.is_empty:
                return await self._finish(query, request, answer)
            # What has been looked through need not be looked through again.
            since = request.upto
            if later(projected.position, since) == since:
                may_wait = await self._waiter.wait(wait)

    def _known_members(self, query: Query) -> Mapping[str, AbstractSet[str]]:
        if not query.filter.room.state.lazy_load_members:
            return _NO_MEMBERS
        return self._sent_members.come(query.device, query.since, query.filter)

    async def _finish(self, query: Query, request: SyncRequest, answer: SyncAnswer) -> bytes:
        position = with_offsets(request.upto, answer.told_up_to)
        if query.filter.room.state.lazy_load_members:
            self._sent_members.go(query.device, query.since, position, query.filter, answer.sent)
        token = (
            self._projected.token
            if position == self._projected.position
            else self._tokens.encode(position)
        )
        if query.filter.event_format == "federation":
            answer.join = await self._federation_format.converted(answer.join, query.filter)
            answer.leave = await self._federation_format.converted(answer.leave, query.filter)
        return await render_answer(token, answer, self._slices)

    async def _request(
        self,
        query: Query,
        since: SyncPosition | None,
        known_members: Mapping[str, AbstractSet[str]],
    ) -> SyncRequest:
        """Return what is asked for, up to what memory knows."""
        user_id, device_id = query.device
        # Looks that take long do not follow one another without a pause.
        await self._slices.next()
        user = await self._projected.user(user_id)
        # Nothing is awaited until memory has been looked at, unless that takes long: position and
        # memory belong together.
        position = self._projected.position
        return SyncRequest(
            Reader(user_id, device_id, self._now_ms()),
            since,
            # After a crash the projection may be behind what a client has read already.
            position if since is None else later(position, since),
            query.filter,
            query.full_state,
            query.state_name,
            self._settings.max_scanned_events,
            known_members,
            user.rooms,
            user.ignored,
            user.account_data_order,
            query.begins_anew,
            query.former,
            query.requester.device_number,
        )

    async def _answer(self, request: SyncRequest) -> SyncAnswer:
        """Return what there is to tell."""
        answer = SyncAnswer()
        wanted: list[WantedRows[Any]] = []
        for stream in self._streams:
            if stream.precedes_events and _may_tell_encrypted(request, answer, wanted):
                await self._freshness.topic(stream.topic.name)
            more = await stream.look(request, answer)
            if more is not None:
                wanted.append(more)
        if wanted:
            await self._read(request, wanted)
        unread = await self._unread.count(request, answer)
        await self._parts.complete(request, answer, unread)
        return answer

    async def _read(self, request: SyncRequest, wanted: Sequence[WantedRows[Any]]) -> None:
        """Read what only the database knows, in one snapshot."""

        def read(connection: Connection) -> list[Any]:
            return [one.read(connection) for one in wanted]

        is_heavy = any(one.is_heavy for one in wanted)
        found = await self._database.read(
            read, heavy_for=request.user_id, begins_light=not is_heavy
        )
        for one, value in zip(wanted, found, strict=True):
            await one.tell(value)


def _may_tell_encrypted(
    request: SyncRequest, answer: SyncAnswer, wanted: Sequence[WantedRows[Any]]
) -> bool:
    """Whether there may be events that are encrypted: what the database has is not known yet.

    Who is told of them later than of what preceded them cannot read them, or not answer all
    devices. A client that begins asks for all keys afterwards.
    """
    if request.since is None:
        return False
    return bool(wanted) or any(_ENCRYPTED in part for _, part in answer.join)
