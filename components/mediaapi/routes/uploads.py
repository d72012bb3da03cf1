"""Uploading, and what clients may upload."""

from typing import Final

from base.http import Request, Response, Router, empty_response, json_response
from components.mediaapi.routes.answers import FORMER_VERSIONS, content_type_of
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.uploading import UploadFacts, UploadService
from internalapi.userapi import Requester
from matrix.errors import InvalidParam, NotFound
from matrix.identifiers import ServerName
from requesting.requesters import Requesters

_MEDIA: Final = "/_matrix/media/v3"
_NAME_MAX: Final = 1024


class UploadRoutes:
    """The endpoints that take media (client-server API, "Content repository")."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        uploads: UploadService,
        server_name: ServerName,
        settings: MediaApiSettings,
    ) -> None:
        self._requesters = requesters
        self._uploads = uploads
        self._server_name = server_name
        self._timeout_s = settings.upload_timeout_s
        self._max_bytes = settings.max_upload_bytes

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.post(
            f"{_MEDIA}/upload",
            by_user(self._upload, limited=True),
            versions=FORMER_VERSIONS,
            max_body_bytes=self._max_bytes,
        )
        router.post("/_matrix/media/v1/create", by_user(self._create, limited=True))
        router.put(
            f"{_MEDIA}/upload/{{server_name}}/{{media_id}}",
            by_user(self._upload_created, limited=True),
            max_body_bytes=self._max_bytes,
        )

    async def _upload(self, request: Request, requester: Requester) -> Response:
        pieces = request.body_pieces(within_s=self._timeout_s)
        media_id = await self._uploads.perform_upload(_facts(request, requester), pieces)
        return json_response({"content_uri": self._uri(media_id)})

    async def _create(self, request: Request, requester: Requester) -> Response:
        await request.body()
        media_id, expires_at_ms = await self._uploads.perform_create(requester.user_id)
        return json_response(
            {"content_uri": self._uri(media_id), "unused_expires_at": expires_at_ms}
        )

    async def _upload_created(self, request: Request, requester: Requester) -> Response:
        if request.path["server_name"] != self._server_name:
            raise NotFound("This media is not of this server.")
        pieces = request.body_pieces(within_s=self._timeout_s)
        await self._uploads.perform_upload_created(
            _facts(request, requester), request.path["media_id"], pieces
        )
        return empty_response()

    def _uri(self, media_id: str) -> str:
        return f"mxc://{self._server_name}/{media_id}"


def _facts(request: Request, requester: Requester) -> UploadFacts:
    name = request.query_str("filename")
    if name is not None and (len(name) > _NAME_MAX or "\0" in name):
        raise InvalidParam(f"The file name has more than {_NAME_MAX} characters, or a NUL.")
    length = request.header("content-length")
    return UploadFacts(
        requester.user_id,
        content_type_of(request.header("content-type")),
        name or None,
        int(length) if length is not None and length.isdigit() else None,
    )
