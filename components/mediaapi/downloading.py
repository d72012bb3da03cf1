"""Finds media for those who download it, and waits for what is not uploaded yet."""

import re
from collections.abc import AsyncGenerator
from typing import Final

from base.clock import Clock
from components.mediaapi.files.interface import FileMissing, MediaFiles
from components.mediaapi.remote import RemoteMedia
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.store.media import MediaStore, StoredMedia
from components.mediaapi.waiting import PendingWaits
from matrix.errors import InvalidParam, NotFound, NotYetUploaded
from matrix.identifiers import ServerName, parse_server_name

_media_id: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LOOK_AGAIN_S: Final = 1.0
"""How often a process looks whether another one has the upload."""


class DownloadService:
    """Answers with media of this server, and of others as far as they can be reached."""

    def __init__(
        self,
        *,
        server_name: ServerName,
        store: MediaStore,
        files: MediaFiles,
        remote: RemoteMedia,
        waits: PendingWaits,
        clock: Clock,
        settings: MediaApiSettings,
    ) -> None:
        self._server_name = server_name
        self._store = store
        self._files = files
        self._remote = remote
        self._waits = waits
        self._clock = clock
        self._wait_max_s = settings.wait_max_s

    async def query_media(
        self,
        server_name: str,
        media_id: str,
        *,
        wait_s: float,
        is_known_user: bool,
        allow_remote: bool = True,
    ) -> StoredMedia:
        """Return media once it is uploaded.

        Raises `NotFound` for what is unknown, expired, quarantined, or for users only;
        `NotYetUploaded` after the time to wait.
        """
        name = _checked(server_name, media_id)
        wait_s = min(wait_s, self._wait_max_s)
        if name != self._server_name:
            if not allow_remote:
                raise _not_found()
            found = await self._remote.query_media(name, media_id, wait_s=wait_s)
        else:
            found = await self._uploaded(media_id, wait_s)
        if found.is_quarantined or not (found.is_open or is_known_user):
            raise _not_found()
        return found

    async def _uploaded(self, media_id: str, wait_s: float) -> StoredMedia:
        ends_s = self._clock.monotonic_s() + wait_s
        while True:
            found = await self._store.select_media(media_id)
            if found is None:
                raise _not_found()
            if found.file is not None:
                return found
            if (found.expires_at_ms or 0) <= self._clock.now_ms():
                raise _not_found()
            left_s = ends_s - self._clock.monotonic_s()
            if left_s <= 0 or self._waits.is_ended:
                raise NotYetUploaded
            await self._waits.wait(media_id, min(left_s, _LOOK_AGAIN_S))

    async def open(self, found: StoredMedia, start: int, size: int) -> AsyncGenerator[bytes]:
        """Return a part of media in pieces, the first of which is there. Raises `NotFound`."""
        if found.file is None or size == 0:
            return _nothing()
        pieces = self._files.read(found.file, start, size)
        try:
            first = await anext(pieces)
        except FileMissing as error:
            raise NotFound("The server has lost this media.") from error
        return _joined(first, pieces)


async def _nothing() -> AsyncGenerator[bytes]:
    yield b""


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


def _checked(server_name: str, media_id: str) -> ServerName:
    """Return the server's name; what might be a path of files is no media (spec, "Security")."""
    if _media_id.fullmatch(media_id) is None:
        raise _not_found()
    try:
        return parse_server_name(server_name)
    except InvalidParam as error:
        raise _not_found() from error


def _not_found() -> NotFound:
    return NotFound("There is no such media.")
