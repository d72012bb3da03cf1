"""Thumbnails, with an access token or by the endpoints of before Matrix 1.11."""

from typing import Final

from base.http import Request, Response, Router
from components.mediaapi.downloading import DownloadService
from components.mediaapi.routes.answers import FORMER_VERSIONS, SAFETY
from components.mediaapi.routes.downloads import wait_s
from components.mediaapi.store.media import StoredMedia
from components.mediaapi.thumbnails.service import ThumbnailService
from components.mediaapi.thumbnails.wanted import Method
from internalapi.userapi import Requester
from matrix.errors import MissingParam
from requesting.requesters import Requesters

_THUMBNAIL: Final = "thumbnail/{server_name}/{media_id}"
_METHODS: Final[tuple[Method, ...]] = ("crop", "scale")
_EDGE_MAX: Final = 65_536


class ThumbnailRoutes:
    """The endpoints that give thumbnails (client-server API, "Thumbnails")."""

    def __init__(
        self, *, requesters: Requesters, downloads: DownloadService, thumbnails: ThumbnailService
    ) -> None:
        self._requesters = requesters
        self._downloads = downloads
        self._thumbnails = thumbnails

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.get(
            f"/_matrix/client/v1/media/{_THUMBNAIL}",
            self._requesters.by_user(self._get, guests=True, suspended=True, limited=True),
            long_poll=True,
        )
        router.get(
            f"/_matrix/media/v3/{_THUMBNAIL}",
            self._requesters.by_anybody(self._get_openly, limited=True),
            versions=FORMER_VERSIONS,
            long_poll=True,
        )

    async def _get(self, request: Request, _requester: Requester) -> Response:
        return await self._answer(request, is_known_user=True)

    async def _get_openly(self, request: Request, _requester: Requester | None) -> Response:
        return await self._answer(request, is_known_user=False)

    async def _answer(self, request: Request, *, is_known_user: bool) -> Response:
        width, height = _edge(request, "width"), _edge(request, "height")
        method = request.query_choice("method", _METHODS, "scale")
        is_animated = request.query_bool("animated")
        found: StoredMedia = await self._downloads.query_media(
            request.path["server_name"],
            request.path["media_id"],
            wait_s=wait_s(request),
            is_known_user=is_known_user,
            allow_remote=request.query_bool("allow_remote", default=True),
        )
        made = await self._thumbnails.query_thumbnail(
            found, width=width, height=height, method=method, is_animated=is_animated
        )
        kept = b"private" if is_known_user else b"public"
        name = f"thumbnail.{made.content_type.partition('/')[2]}".encode()
        return Response(
            made.body,
            content_type=made.content_type.encode(),
            headers=(
                *SAFETY,
                (b"content-disposition", b"inline; filename=" + name),
                (b"cache-control", kept + b", max-age=86400, immutable"),
            ),
        )


def _edge(request: Request, name: str) -> int:
    edge = request.query_int(name, minimum=1, maximum=_EDGE_MAX)
    if edge is None:
        raise MissingParam(f"The query parameter {name} is missing.")
    return edge
