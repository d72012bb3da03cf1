"""Gives thumbnails: from memory, or made in a few threads beside the event loop."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from base.tasks import to_its_end
from components.mediaapi.downloading import DownloadService
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.store.media import StoredMedia
from components.mediaapi.thumbnails.wanted import Method, WantedThumbnail, rounded_up
from matrix.errors import LimitExceeded, MatrixError, TooLarge

if TYPE_CHECKING:
    from components.mediaapi.thumbnails.making import MadeThumbnail

_COME_BACK_MS: Final = 2000
_log: Final = logging.getLogger(__name__)


class CannotThumbnail(MatrixError):
    """There can be no thumbnail of this."""


class ThumbnailService:
    """Makes as many thumbnails at once as there are threads; some more wait."""

    def __init__(self, *, downloads: DownloadService, settings: MediaApiSettings) -> None:
        self._downloads = downloads
        self._settings = settings
        self._executor = ThreadPoolExecutor(
            settings.thumbnail_threads, thread_name_prefix="thumbnails"
        )
        self._turns = asyncio.Semaphore(settings.thumbnail_threads)
        self._waiting = 0
        self._made: LRUCache[tuple[str, WantedThumbnail], MadeThumbnail] = LRUCache(
            settings.thumbnail_cache_bytes, getsizeof=lambda made: len(made.body)
        )

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False)

    async def query_thumbnail(
        self, found: StoredMedia, *, width: int, height: int, method: Method, is_animated: bool
    ) -> "MadeThumbnail":
        """Return a thumbnail at least as large as asked for, as far as the media is.

        Raises `CannotThumbnail`, `TooLarge`, and `LimitExceeded` where too many wait.
        """
        box = rounded_up(width, height, self._settings.thumbnail_edges)
        wanted = WantedThumbnail(*box, method, is_animated)
        key = found.file or "", wanted
        kept = self._made.get(key)
        if kept is not None:
            return kept
        if found.size > self._settings.thumbnail_source_bytes_max:
            raise TooLarge("This is too large for a thumbnail.")
        if self._waiting >= self._settings.thumbnails_waiting_max:
            raise LimitExceeded(_COME_BACK_MS, "Too many thumbnails are being made.")
        self._waiting += 1
        try:
            async with self._turns:
                # Another request may have asked for the same one. One whose client goes meanwhile
                # leaves its turn to nobody before its thread has ended.
                made = self._made.get(key)
                if made is None:
                    made = await to_its_end(self._make(found, wanted))
        finally:
            self._waiting -= 1
        if len(made.body) <= self._made.maxsize:
            self._made[key] = made
        return made

    async def _make(self, found: StoredMedia, wanted: WantedThumbnail) -> "MadeThumbnail":
        pieces = await self._downloads.open(found, 0, found.size)
        source = b"".join([piece async for piece in pieces])
        loop = asyncio.get_running_loop()
        limit = self._settings.thumbnail_pixels_max
        made = await loop.run_in_executor(self._executor, _run, source, wanted, limit)
        if isinstance(made, MatrixError):
            raise made
        return made


def _run(source: bytes, wanted: WantedThumbnail, limit: int) -> "MadeThumbnail | MatrixError":
    """Make a thumbnail in a thread; what cannot be made is said in the words of clients."""
    # Pillow is loaded by the first one.
    from components.mediaapi.thumbnails.making import (  # noqa: PLC0415
        NoPicture,
        PictureTooLarge,
        make_thumbnail,
    )

    try:
        return make_thumbnail(source, wanted, limit)
    except PictureTooLarge:
        return TooLarge("This has too many pixels for a thumbnail.")
    except NoPicture as error:
        _log.debug("No thumbnail: %s", error)
        return CannotThumbnail("There can be no thumbnail of this.")
