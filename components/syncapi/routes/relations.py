"""The endpoints that read relations between events: children of an event, threads of a room."""

from functools import partial
from typing import Final

from base.database import Database
from base.http import Request, Response, Router, json_response
from components.syncapi.relations.relating import RelationsQuery, read_relations
from components.syncapi.relations.threads import ThreadsQuery, read_threads
from components.syncapi.routes.entering import Entrance
from components.syncapi.routes.queries import RequestReading
from components.syncapi.settings import SyncApiSettings
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester

_ROOM: Final = "/_matrix/client/v1/rooms/{room_id}"
_DEFAULT_LIMIT: Final = 20


class RelationRoutes:
    """Thin handlers: read the request, wait for one's own writes, read in one snapshot."""

    def __init__(
        self,
        *,
        database: Database,
        reading: RequestReading,
        entrance: Entrance,
        tokens: SyncTokens,
        settings: SyncApiSettings,
    ) -> None:
        self._database = database
        self._reading = reading
        self._entrance = entrance
        self._tokens = tokens
        self._settings = settings

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._reading.requesters.by_user
        children = f"{_ROOM}/relations/{{event_id}}"
        for path in (children, f"{children}/{{rel_type}}", f"{children}/{{rel_type}}/{{type}}"):
            router.get(path, by_user(self._relations, suspended=True))
        router.get(f"{_ROOM}/threads", by_user(self._threads, suspended=True, limited=True))

    async def _relations(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        query = RelationsQuery(
            room_id,
            request.path["event_id"],
            request.path.get("rel_type"),
            request.path.get("type"),
            request.query_str("from"),
            self._entrance.place(request, "from", room_id),
            self._entrance.place(request, "to", room_id),
            request.query_choice("dir", ("b", "f"), "b") == "b",
            self._limit(request),
            request.query_bool("recurse") if request.query_str("recurse") else None,
            self._settings.max_scanned_events,
        )
        read = partial(read_relations, query=query, reader=reader, tokens=self._tokens)
        return json_response(
            await self._database.read(read, heavy_for=reader.user_id, begins_light=True)
        )

    async def _threads(self, request: Request, requester: Requester) -> Response:
        reader, room_id = await self._entrance.enter(request, requester)
        query = ThreadsQuery(
            room_id,
            self._entrance.place(request, "from", room_id),
            self._limit(request),
            request.query_choice("include", ("all", "participated"), "all") == "participated",
            self._settings.max_scanned_events,
        )
        read = partial(read_threads, query=query, reader=reader, tokens=self._tokens)
        return json_response(await self._database.read(read, heavy_for=reader.user_id))

    def _limit(self, request: Request) -> int:
        """Return how many events a page has at most. Raises `InvalidParam` for less than one."""
        maximum = self._settings.max_page_limit
        return request.query_int("limit", _DEFAULT_LIMIT, minimum=1, maximum=maximum)
