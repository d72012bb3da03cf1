"""The endpoints that read one room: messages, context, events, state, members; and one's rooms."""

from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Final, TypeVar

import orjson

from base.database import Database
from base.http import Request, Response, Router, StreamingResponse, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.memory.projected import Projected
from components.syncapi.rooms.members import MembersQuery, read_joined_members, read_members
from components.syncapi.rooms.reading import (
    ContextQuery,
    PageQuery,
    read_context,
    read_event,
    read_messages,
    read_state,
    read_state_entry,
)
from components.syncapi.routes.entering import Entrance
from components.syncapi.routes.queries import RequestReading
from components.syncapi.settings import SyncApiSettings
from components.syncapi.timeline.access import require_access
from components.syncapi.timeline.rendering import Reader
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester
from matrix.errors import MatrixError, MissingParam
from matrix.filters import EventFilter
from matrix.identifiers import RoomID

T = TypeVar("T")

_ROOM: Final = "/_matrix/client/v3/rooms/{room_id}"
_VERSIONS: Final = ("r0",)
_LIGHT_PAGE: Final = 100
"""Events of a page that is read on the event loop."""
_MEMBERSHIPS: Final = ("join", "invite", "knock", "leave", "ban")


class RoomRoutes:
    """Thin handlers: read the request, wait for one's own writes, read in one snapshot."""

    def __init__(
        self,
        *,
        database: Database,
        projected: Projected,
        reading: RequestReading,
        entrance: Entrance,
        tokens: SyncTokens,
        freshness: Freshness,
        settings: SyncApiSettings,
    ) -> None:
        self._database = database
        self._projected = projected
        self._reading = reading
        self._entrance = entrance
        self._tokens = tokens
        self._freshness = freshness
        self._settings = settings

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        reading = partial(self._reading.requesters.by_user, suspended=True)
        for path, handler in (
            (f"{_ROOM}/messages", self._messages),
            (f"{_ROOM}/context/{{event_id}}", self._context),
            (f"{_ROOM}/event/{{event_id}}", self._event),
            (f"{_ROOM}/state", self._state),
            (f"{_ROOM}/state/{{event_type}}/{{state_key?}}", self._state_entry),
            (f"{_ROOM}/members", self._members),
        ):
            router.get(path, reading(handler, guests=True), versions=_VERSIONS)
        router.get(f"{_ROOM}/joined_members", reading(self._joined_members), versions=_VERSIONS)
        joined_rooms = "/_matrix/client/v3/joined_rooms"
        router.get(joined_rooms, reading(self._joined_rooms), versions=_VERSIONS)

    async def _asked(self, reader: Reader, room_id: RoomID, parse: Callable[[], T]) -> T:
        """Return what the query asks for. Raises `Forbidden` before what is wrong with it."""
        try:
            return parse()
        except MatrixError:
            await self._database.read(
                lambda connection: require_access(connection, reader.user_id, room_id)
            )
            raise

    async def _messages(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        query = await self._asked(reader, room_id, lambda: self._page_query(request, room_id))
        read = partial(read_messages, query=query, reader=reader, tokens=self._tokens)
        is_light = _is_light(query.event_filter, query.limit)
        return json_response(
            await self._database.read(read, heavy_for=reader.user_id, begins_light=is_light)
        )

    def _page_query(self, request: Request, room_id: RoomID) -> PageQuery:
        direction = request.query_choice("dir", ("b", "f"))
        if direction is None:
            raise MissingParam("The query parameter dir is missing.")
        event_filter = self._reading.event_filter(request)
        limit = self._reading.limit(request, event_filter)
        return PageQuery(
            room_id,
            request.query_str("from"),
            self._entrance.place(request, "from", room_id),
            self._entrance.place(request, "to", room_id),
            direction == "b",
            limit,
            event_filter,
            self._settings.max_scanned_events,
        )

    async def _context(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        query = await self._asked(reader, room_id, lambda: self._context_query(request, room_id))
        read = partial(read_context, query=query, reader=reader, tokens=self._tokens)
        return json_response(await self._database.read(read, heavy_for=reader.user_id))

    def _context_query(self, request: Request, room_id: RoomID) -> ContextQuery:
        event_filter = self._reading.event_filter(request)
        return ContextQuery(
            room_id,
            request.path["event_id"],
            self._reading.limit(request, event_filter),
            event_filter,
            self._settings.max_scanned_events,
        )

    async def _event(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        read = partial(
            read_event, room_id=room_id, event_id=request.path["event_id"], reader=reader
        )
        return json_response(await self._database.read(read))

    async def _state(self, request: Request, requester: Requester) -> StreamingResponse:
        reader, room_id = await self._entrance.enter(request, requester)
        read = partial(read_state, room_id=room_id, user_id=reader.user_id)
        return _in_parts(await self._database.read(read, heavy_for=reader.user_id))

    async def _state_entry(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        read = partial(
            read_state_entry,
            room_id=room_id,
            entry=(request.path["event_type"], request.path["state_key"]),
            reader=reader,
            whole_event=request.query_choice("format", ("content", "event")) == "event",
        )
        return json_response(
            await self._database.read(read, heavy_for=reader.user_id, begins_light=True)
        )

    async def _members(self, request: Request, requester: Requester) -> StreamingResponse:
        reader, room_id = await self._entrance.enter(request, requester)
        query = await self._asked(reader, room_id, lambda: self._members_query(request, room_id))
        read = partial(read_members, query=query, user_id=reader.user_id)
        return _in_parts(await self._database.read(read, heavy_for=reader.user_id))

    def _members_query(self, request: Request, room_id: RoomID) -> MembersQuery:
        return MembersQuery(
            room_id,
            self._entrance.place(request, "at", room_id),
            request.query_choice("membership", _MEMBERSHIPS),
            request.query_choice("not_membership", _MEMBERSHIPS),
        )

    async def _joined_members(self, request: Request, requester: Requester) -> StreamingResponse:
        reader, room_id = await self._entrance.enter(request, requester)
        read = partial(read_joined_members, room_id=room_id, user_id=reader.user_id)
        return _in_parts(await self._database.read(read, heavy_for=reader.user_id))

    async def _joined_rooms(self, _request: Request, requester: Requester) -> Response:
        await self._freshness.rooms()
        user = await self._projected.user(requester.user_id)
        joined = [room_id for room_id, now in user.rooms.items() if now.membership == "join"]
        return json_response(orjson.dumps({"joined_rooms": joined}))


def _is_light(event_filter: EventFilter, limit: int) -> bool:
    return event_filter.is_pass_all and limit <= _LIGHT_PAGE


def _in_parts(parts: list[bytes]) -> StreamingResponse:
    """Return JSON that is sent as it is, without being put together in memory."""

    async def chunks() -> AsyncGenerator[bytes]:
        for part in parts:
            yield part

    length = sum(map(len, parts))
    return StreamingResponse(chunks(), length=length, content_type=b"application/json")
