"""GET /sync."""

from functools import partial
from typing import Final

from base.http import Request, Response, Router, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.memory.log_ends import LogEnds
from components.syncapi.position import SyncPosition
from components.syncapi.routes.queries import RequestReading
from components.syncapi.streams.request import FORMER_STATE_AFTER, STATE, STATE_AFTER
from components.syncapi.sync.service import Query, SyncService
from components.syncapi.tokens import SyncTokens, TokenOutdated
from internalapi.userapi import Requester

_MS: Final = 1000


class SyncRoutes:
    """The endpoint that clients follow the server with."""

    def __init__(
        self,
        *,
        service: SyncService,
        reading: RequestReading,
        tokens: SyncTokens,
        log_ends: LogEnds,
        freshness: Freshness,
        max_timeout_s: int,
    ) -> None:
        self._service = service
        self._reading = reading
        self._tokens = tokens
        self._log_ends = log_ends
        self._freshness = freshness
        self._max_timeout_ms = max_timeout_s * _MS

    def add_to(self, router: Router) -> None:
        """Add the route."""
        sync = self._reading.requesters.by_user(self._sync, guests=True, suspended=True)
        router.get("/_matrix/client/v3/sync", sync, versions=("r0",), long_poll=True)

    async def _sync(self, request: Request, requester: Requester) -> Response:
        token = request.query_str("since")
        query = Query(
            requester,
            self._position_of(token) if token else None,
            await self._reading.sync_filter(requester.user_id, request.query_str("filter")),
            partial(self._reading.requesters.still, request),
            request.query_int("timeout", 0, maximum=self._max_timeout_ms) / _MS,
            request.query_bool("full_state"),
            _state_name(request),
        )
        request.query_choice("set_presence", ("offline", "online", "unavailable"))
        await self._freshness.everything(patience_s=query.timeout_s)
        if query.since is not None and await self._log_ends.are_before(query.since):
            query.since = None
        query.begins_anew = bool(token) and query.since is None
        if query.begins_anew and token:
            query.former = self._tokens.decode_former(token)
        return json_response(await self._service.sync(query))

    def _position_of(self, token: str) -> SyncPosition | None:
        """Return the position of a token; `None` where it means nothing any more.

        Clients repeat a request that is refused, and would never begin again by themselves.
        """
        try:
            return self._tokens.decode(token)
        except TokenOutdated:
            return None


def _state_name(request: Request) -> str:
    """Return by what name the client wants the state of rooms: by the one that it asked for."""
    if request.query_bool("use_state_after"):
        return STATE_AFTER
    if request.query_bool("org.matrix.msc4222.use_state_after"):
        return FORMER_STATE_AFTER
    return STATE
