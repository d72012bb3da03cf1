"""Previews of URLs."""

from typing import TYPE_CHECKING

from base.http import Request, Response, Router
from components.mediaapi.routes.answers import FORMER_VERSIONS
from internalapi.userapi import Requester
from matrix.errors import MissingParam, Unrecognized
from requesting.requesters import Requesters

if TYPE_CHECKING:
    from components.mediaapi.previews.service import PreviewService


class PreviewRoutes:
    """The endpoints that tell clients what a page says of itself.

    Without a service they answer as endpoints that are not there, which clients take calmly.
    """

    def __init__(self, *, requesters: Requesters, previews: "PreviewService | None") -> None:
        self._requesters = requesters
        self._previews = previews

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        get = self._requesters.by_user(self._get, suspended=True, limited=True)
        router.get("/_matrix/client/v1/media/preview_url", get, long_poll=True)
        router.get("/_matrix/media/v3/preview_url", get, versions=FORMER_VERSIONS, long_poll=True)

    async def _get(self, request: Request, _requester: Requester) -> Response:
        if self._previews is None:
            raise Unrecognized("This server makes no previews of URLs.")
        url = request.query_str("url")
        if url is None:
            raise MissingParam("The query parameter url is missing.")
        # Which time is preferred makes no difference: there is one preview of each URL.
        request.query_int("ts")
        return Response(
            await self._previews.query_preview(url),
            content_type=b"application/json",
            headers=((b"cache-control", b"private, max-age=300"),),
        )
