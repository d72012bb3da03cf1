"""The endpoints from before /sync, which still serve previews of rooms: events, initialSync."""

from collections.abc import Callable
from functools import partial
from typing import Final

from base.database import Database
from base.http import Request, Response, Router, json_response
from components.syncapi.legacy.event_streams import EventStreams, StreamQuery
from components.syncapi.legacy.initial_sync import RoomInitialSyncQuery, read_room_initial_sync
from components.syncapi.legacy.snapshot import SnapshotQuery, read_snapshot
from components.syncapi.memory.freshness import Freshness
from components.syncapi.memory.projected import Projected
from components.syncapi.position import ROOMS
from components.syncapi.rooms.reading import read_event_by_id
from components.syncapi.routes.entering import Entrance
from components.syncapi.routes.queries import RequestReading
from components.syncapi.settings import SyncApiSettings
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester
from matrix.identifiers import parse_room_id
from requesting.requesters import require_user

_V3: Final = "/_matrix/client/v3"
_VERSIONS: Final = ("r0",)
_MS: Final = 1000


class OldSyncRoutes:
    """Thin handlers over event streams and snapshots of rooms."""

    def __init__(
        self,
        *,
        database: Database,
        projected: Projected,
        streams: EventStreams,
        reading: RequestReading,
        entrance: Entrance,
        tokens: SyncTokens,
        freshness: Freshness,
        settings: SyncApiSettings,
        partition_of: Callable[[str], int],
    ) -> None:
        self._database: Final = database
        self._projected: Final = projected
        self._streams: Final = streams
        self._reading: Final = reading
        self._entrance: Final = entrance
        self._tokens: Final = tokens
        self._freshness: Final = freshness
        self._settings: Final = settings
        self._partition_of: Final = partition_of

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        reading = partial(self._reading.requesters.by_user, suspended=True)
        router.get(
            f"{_V3}/events", reading(self._events, guests=True), versions=_VERSIONS, long_poll=True
        )
        router.get(f"{_V3}/events/{{event_id}}", reading(self._event), versions=_VERSIONS)
        router.get(f"{_V3}/initialSync", reading(self._initial_sync), versions=_VERSIONS)
        path = f"{_V3}/rooms/{{room_id}}/initialSync"
        router.get(path, reading(self._room_initial_sync, guests=True), versions=_VERSIONS)

    async def _events(self, request: Request, requester: Requester) -> Response:
        room_id = request.query_str("room_id")
        if room_id is None:
            # Guests may look into rooms, but have no stream of their own.
            require_user(requester)
        since = request.query_str("from")
        maximum = self._settings.max_timeout_s * _MS
        query = StreamQuery(
            requester,
            None if not since else self._tokens.decode(since),
            None if room_id is None else parse_room_id(room_id),
            request.query_int("timeout", 0, maximum=maximum) / _MS,
            partial(self._reading.requesters.still, request),
        )
        await self._freshness.rooms()
        return json_response(await self._streams.follow(query))

    async def _event(self, request: Request, requester: Requester) -> Response:
        await self._freshness.rooms()
        reader = self._entrance.reader(requester)
        event_id = request.path["event_id"]
        read = partial(read_event_by_id, event_id=event_id, reader=reader)
        return json_response(await self._database.read(read))

    async def _initial_sync(self, request: Request, requester: Requester) -> Response:
        await self._freshness.rooms()
        query = RoomInitialSyncQuery(
            self._projected.position,
            self._snapshot_query(request),
            request.query_bool("archived"),
            self._partition_of,
        )
        reader = self._entrance.reader(requester)
        read = partial(read_room_initial_sync, query=query, reader=reader, tokens=self._tokens)
        return json_response(await self._database.read(read, heavy_for=reader.user_id))

    async def _room_initial_sync(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        position = self._projected.position
        read = partial(
            read_snapshot,
            room_id=room_id,
            upto=position[ROOMS][self._partition_of(room_id)],
            reader=reader,
            query=self._snapshot_query(request),
            tokens=self._tokens,
        )
        return json_response(await self._database.read(read, heavy_for=reader.user_id))

    def _snapshot_query(self, request: Request) -> SnapshotQuery:
        settings = self._settings
        return SnapshotQuery(
            request.query_int(
                "limit", settings.default_timeline_limit, maximum=settings.max_timeline_limit
            ),
            self._tokens.encode_unconfirmed(self._projected.position),
            settings.max_scanned_events,
        )
