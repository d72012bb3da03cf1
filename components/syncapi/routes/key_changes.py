"""GET /keys/changes: whose lists of devices changed between two tokens of /sync."""

from typing import Final

from base.http import Request, Response, Router, json_response
from components.syncapi.memory.freshness import Freshness
from components.syncapi.memory.log_ends import LogEnds
from components.syncapi.memory.projected import Projected
from components.syncapi.position import SyncPosition, completed
from components.syncapi.streams.device_lists import DeviceListStream
from components.syncapi.tokens import SyncTokens, TokenOutdated
from internalapi.userapi import Requester
from matrix.errors import MissingParam
from requesting.requesters import Requesters


class KeyChangeRoutes:
    """The endpoint for clients that were away, or have begun without a token."""

    def __init__(
        self,
        *,
        device_lists: DeviceListStream,
        projected: Projected,
        requesters: Requesters,
        tokens: SyncTokens,
        log_ends: LogEnds,
        freshness: Freshness,
    ) -> None:
        self._device_lists: Final = device_lists
        self._projected: Final = projected
        self._requesters: Final = requesters
        self._tokens: Final = tokens
        self._log_ends: Final = log_ends
        self._freshness: Final = freshness

    def add_to(self, router: Router) -> None:
        """Add the route."""
        changes = self._requesters.by_user(self._changes, guests=True, suspended=True)
        router.get("/_matrix/client/v3/keys/changes", changes, versions=("r0",))

    async def _changes(self, request: Request, requester: Requester) -> Response:
        tokens = [request.query_str(name) for name in ("from", "to")]
        if not all(tokens):
            raise MissingParam("The query parameters from and to are tokens of /sync.")
        await self._freshness.everything()
        start, end = [await self._position(token) for token in tokens if token]
        if start is None:
            # What the client knows is from nobody knows when.
            lists = await self._device_lists.all_lists(requester.user_id)
        else:
            now = self._projected.position
            lists = await self._device_lists.lists(requester.user_id, start, end or now)
        return json_response(lists.render())

    async def _position(self, token: str) -> SyncPosition | None:
        """Return the position of a token; None where it means nothing any more."""
        try:
            position = self._tokens.decode(token)
        except TokenOutdated:
            return None
        if await self._log_ends.are_before(position):
            return None
        return completed(position, self._projected.position)
