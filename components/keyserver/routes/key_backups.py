"""Backups of keys without their keys: the endpoints of versions."""

from typing import Final

from base.http import Request, Response, Router, empty_response, json_response
from components.keyserver.key_backups import KeyBackups, unknown_backup
from internalapi.userapi import Requester
from matrix.errors import InvalidParam
from requesting.requesters import Requesters

ROOM_KEYS: Final = "/_matrix/client/v3/room_keys"
FORMER: Final = ("r0", "unstable")
_VERSION_DIGITS_MAX: Final = 18


class KeyBackupRoutes:
    """The endpoints `/room_keys/version`."""

    def __init__(self, *, requesters: Requesters, backups: KeyBackups) -> None:
        self._requesters = requesters
        self._backups = backups

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        versions, version = f"{ROOM_KEYS}/version", f"{ROOM_KEYS}/version/{{version}}"
        for method, path, handler in (
            ("POST", versions, self._create),
            ("GET", versions, self._current),
            ("GET", version, self._one),
            ("PUT", version, self._update),
            ("DELETE", version, self._delete),
        ):
            answer = self._requesters.by_user(handler, suspended=True, limited=True)
            router.add(method, path, answer, versions=FORMER)

    async def _create(self, request: Request, requester: Requester) -> Response:
        body = await request.fields()
        version = await self._backups.perform_create(
            requester.user_id, body.string("algorithm"), body.json_object("auth_data")
        )
        return json_response({"version": str(version)})

    async def _current(self, _request: Request, requester: Requester) -> Response:
        return await self._shown(requester, None)

    async def _one(self, request: Request, requester: Requester) -> Response:
        return await self._shown(requester, parse_version(request.path["version"]))

    async def _shown(self, requester: Requester, version: int | None) -> Response:
        backup = await self._backups.query_backup(requester.user_id, version)
        return json_response(
            {
                "algorithm": backup.algorithm,
                "auth_data": backup.auth_data,
                "count": backup.key_count,
                "etag": str(backup.etag),
                "version": str(backup.version),
            }
        )

    async def _update(self, request: Request, requester: Requester) -> Response:
        body = await request.fields()
        version = request.path["version"]
        if body.optional_string("version", version) != version:
            raise InvalidParam("The version in the body is another one than that in the path.")
        await self._backups.perform_update(
            requester.user_id,
            parse_version(version),
            body.string("algorithm"),
            body.json_object("auth_data"),
        )
        return empty_response()

    async def _delete(self, request: Request, requester: Requester) -> Response:
        await self._backups.perform_delete(
            requester.user_id, parse_version(request.path["version"])
        )
        return empty_response()


def parse_version(text: str) -> int:
    """Return a version as it was given to a client, or raise `NotFound`: nobody has another one."""
    if not (text.isascii() and text.isdigit() and len(text) <= _VERSION_DIGITS_MAX):
        raise unknown_backup()
    version = int(text)
    if version == 0 or str(version) != text:
        raise unknown_backup()
    return version
