"""Downloading, with an access token or by the endpoints of before Matrix 1.11."""

from typing import Final

from base.http import Request, Response, Router, StreamingResponse, json_response
from base.http.response import Header
from components.mediaapi.downloading import DownloadService
from components.mediaapi.routes.answers import (
    FORMER_VERSIONS,
    ByteRange,
    RangeNotSatisfiable,
    etag_of,
    headers_of,
    part_of,
)
from components.mediaapi.store.media import StoredMedia
from internalapi.userapi import Requester
from requesting.requesters import Requesters

_DOWNLOAD: Final = "download/{server_name}/{media_id}/{file_name?}"
_WAIT_MS: Final = 20_000
_WAIT_MAX_MS: Final = 3_600_000
_PARTIAL: Final = 206
_NOT_MODIFIED: Final = 304


class DownloadRoutes:
    """The endpoints that give media, and tell what may be uploaded."""

    def __init__(
        self, *, requesters: Requesters, downloads: DownloadService, max_upload_bytes: int
    ) -> None:
        self._requesters = requesters
        self._downloads = downloads
        self._max_upload_bytes = max_upload_bytes

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.get(
            f"/_matrix/client/v1/media/{_DOWNLOAD}",
            self._requesters.by_user(self._download, guests=True, suspended=True, limited=True),
            long_poll=True,
        )
        router.get(
            f"/_matrix/media/v3/{_DOWNLOAD}",
            self._requesters.by_anybody(self._download_openly, limited=True),
            versions=FORMER_VERSIONS,
            long_poll=True,
        )
        config = self._requesters.by_user(self._config, suspended=True, limited=True)
        router.get("/_matrix/client/v1/media/config", config)
        router.get("/_matrix/media/v3/config", config, versions=FORMER_VERSIONS)

    async def _config(self, _request: Request, _requester: Requester) -> Response:
        return json_response({"m.upload.size": self._max_upload_bytes})

    async def _download(
        self, request: Request, _requester: Requester
    ) -> Response | StreamingResponse:
        found = await self._downloads.query_media(
            request.path["server_name"],
            request.path["media_id"],
            wait_s=wait_s(request),
            is_known_user=True,
        )
        return await self._answer(request, found, is_public=False)

    async def _download_openly(
        self, request: Request, _requester: Requester | None
    ) -> Response | StreamingResponse:
        """Answer with what is open to all, whoever asks: the token changes nothing."""
        found = await self._downloads.query_media(
            request.path["server_name"],
            request.path["media_id"],
            wait_s=wait_s(request),
            is_known_user=False,
            allow_remote=request.query_bool("allow_remote", default=True),
        )
        return await self._answer(request, found, is_public=True)

    async def _answer(
        self, request: Request, found: StoredMedia, *, is_public: bool
    ) -> Response | StreamingResponse:
        file_name = request.path["file_name"] or found.upload_name
        headers: list[Header] = headers_of(found, file_name, is_public=is_public)
        if request.header("if-none-match") == etag_of(found):
            return Response(status=_NOT_MODIFIED, headers=headers)
        part, status = ByteRange(0, found.size), 200
        if request.header("if-range") in (None, etag_of(found)):
            try:
                asked = part_of(found.size, request.header("range"))
            except RangeNotSatisfiable as error:
                size = (b"content-range", b"bytes */%d" % found.size)
                return json_response(error.body(), error.status, (size,))
            if asked is not None:
                part, status = asked, _PARTIAL
                last = part.start + part.size - 1
                shown = f"bytes {part.start}-{last}/{found.size}"
                headers.append((b"content-range", shown.encode()))
        return StreamingResponse(
            await self._downloads.open(found, part.start, part.size),
            length=part.size,
            status=status,
            content_type=found.content_type.encode("latin-1"),
            headers=headers,
        )


def wait_s(request: Request) -> float:
    """Return how long a client waits for what is not uploaded yet."""
    return request.query_int("timeout_ms", _WAIT_MS, maximum=_WAIT_MAX_MS) / 1000
