"""The endpoints by which users find rooms and events: spaces, summaries, timestamps."""

from functools import partial
from typing import Any, Final

from base.database import Database
from base.http import Request, Response, Router, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.rooms.timestamps import TimestampQuery, read_closest_event
from components.syncapi.routes.queries import RequestReading
from components.syncapi.settings import SyncApiSettings
from components.syncapi.spaces.hierarchy import HierarchyPlace, HierarchyQuery, read_hierarchy
from components.syncapi.spaces.previews import read_summary
from internalapi.roomserver import LocalAliases
from internalapi.userapi import Requester
from matrix.errors import MissingParam, NotFound
from matrix.identifiers import RoomID, parse_room_alias, parse_room_id
from requesting.page_tokens import parse_page_token

_V1: Final = "/_matrix/client/v1"
_FORMER_SUMMARY: Final = "/_matrix/client/unstable/im.nheko.summary"
_PREFIX: Final = "im.nheko.summary."
_PREFIXED: Final = ("encryption", "room_version")
"""The fields that had a prefix before the specification took summaries in."""
_LARGEST: Final = 2**53
_NO_ROOM: Final = "Room not found."


class DiscoveryRoutes:
    """Thin handlers: read the request, wait for what was written, read in one snapshot."""

    def __init__(
        self,
        *,
        database: Database,
        reading: RequestReading,
        freshness: Freshness,
        aliases: LocalAliases,
        settings: SyncApiSettings,
    ) -> None:
        self._database = database
        self._reading = reading
        self._freshness = freshness
        self._aliases = aliases
        self._settings = settings

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_anybody = self._reading.requesters.by_anybody
        reading = partial(self._reading.requesters.by_user, suspended=True, limited=True)
        router.get(f"{_V1}/rooms/{{room_id}}/hierarchy", reading(self._hierarchy))
        router.get(f"{_V1}/rooms/{{room_id}}/timestamp_to_event", reading(self._timestamp_to_event))
        router.get(f"{_V1}/room_summary/{{room_id_or_alias}}", by_anybody(self._summary))
        router.get(
            [
                f"{_FORMER_SUMMARY}/summary/{{room_id_or_alias}}",
                f"{_FORMER_SUMMARY}/rooms/{{room_id_or_alias}}/summary",
            ],
            by_anybody(self._former_summary),
        )

    async def _hierarchy(self, request: Request, requester: Requester) -> Response:
        settings = self._settings
        room_id = parse_room_id(request.path["room_id"])
        most = settings.max_hierarchy_page
        token = request.query_str("from")
        query = HierarchyQuery(
            room_id,
            request.query_int(
                "max_depth", settings.max_hierarchy_depth, maximum=settings.max_hierarchy_depth
            ),
            request.query_bool("suggested_only"),
            request.query_int("limit", most, minimum=1, maximum=most),
            settings.max_space_children,
            settings.max_hierarchy_children,
            None if token is None else parse_page_token(token, HierarchyPlace, "from"),
        )
        await self._freshness.rooms()
        read = partial(read_hierarchy, query=query, user_id=requester.user_id)
        return json_response(await self._database.read(read, heavy_for=requester.user_id))

    async def _summary(self, request: Request, requester: Requester | None) -> Response:
        return json_response(await self._read_summary(request, requester))

    async def _former_summary(self, request: Request, requester: Requester | None) -> Response:
        summary = await self._read_summary(request, requester)
        named = {f"{_PREFIX}{name}": summary[name] for name in _PREFIXED if name in summary}
        return json_response({**summary, **named})

    async def _read_summary(self, request: Request, requester: Requester | None) -> dict[str, Any]:
        user_id = None if requester is None else requester.user_id
        room_id = await self._room_of(request.path["room_id_or_alias"])
        await self._freshness.room(room_id)
        read = partial(read_summary, room_id=room_id, user_id=user_id)
        summary = await self._database.read(read)
        if summary is None:
            raise NotFound(_NO_ROOM)
        return summary

    async def _room_of(self, room_id_or_alias: str) -> RoomID:
        if not room_id_or_alias.startswith("#"):
            return parse_room_id(room_id_or_alias)
        room_id = await self._aliases.query_alias(alias=parse_room_alias(room_id_or_alias))
        if room_id is None:
            raise NotFound(_NO_ROOM)
        return room_id

    async def _timestamp_to_event(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        timestamp_ms = request.query_int("ts", minimum=-_LARGEST, maximum=_LARGEST)
        direction = request.query_choice("dir", ("b", "f"))
        if timestamp_ms is None or direction is None:
            raise MissingParam("The query parameters ts and dir say where to look.")
        query = TimestampQuery(
            room_id, timestamp_ms, direction == "b", self._settings.max_scanned_events
        )
        await self._freshness.room(room_id)
        read = partial(read_closest_event, query=query, user_id=requester.user_id)
        return json_response(
            await self._database.read(read, heavy_for=requester.user_id, begins_light=True)
        )
