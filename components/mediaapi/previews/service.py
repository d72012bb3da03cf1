"""Gives previews: those that are kept, or made once for all who ask meanwhile."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import msgspec
from cachetools import TTLCache
from yarl import URL

from base.clock import Clock
from base.database import DatabaseOutage
from base.fair_turns import FairTurns
from base.guarded.errors import GuardedRequestError, UrlRefused
from base.tasks import to_its_end
from components.mediaapi.files.interface import MediaFiles, WrittenFile
from components.mediaapi.previews.making import (
    CannotPreview,
    MadePreview,
    Picture,
    PreviewMaking,
)
from components.mediaapi.removing import RemovedFiles
from components.mediaapi.settings import UrlPreviewSettings
from components.mediaapi.store.previews import NewPreview, PreviewPicture, PreviewStore
from matrix.errors import Forbidden, LimitExceeded, Unavailable
from matrix.identifiers import ServerName

_ID_BYTES: Final = 18
_COME_BACK_MS: Final = 2000
_FAILURES_MAX: Final = 10_000
_log: Final = logging.getLogger(__name__)


class PreviewService:
    """Keeps previews in the database, and what failed for a moment in memory.

    A preview that is made is nobody's alone: it is finished although who asked for it has gone.
    """

    def __init__(
        self,
        *,
        server_name: ServerName,
        making: PreviewMaking,
        store: PreviewStore,
        files: MediaFiles,
        removed: RemovedFiles,
        clock: Clock,
        settings: UrlPreviewSettings,
    ) -> None:
        self._server_name = server_name
        self._making = making
        self._store = store
        self._files = files
        self._removed = removed
        self._clock = clock
        self._settings = settings
        self._lifetime_ms = int(settings.lifetime_s * 1000)
        self._turns = FairTurns(
            at_once=settings.fetched_at_once,
            at_once_per_key=settings.fetched_at_once_per_host,
            waiting_per_key=settings.waiting_max,
        )
        self._under_way: dict[bytes, asyncio.Task[bytes]] = {}
        self._failures: TTLCache[bytes, Forbidden | CannotPreview] = TTLCache(
            _FAILURES_MAX, settings.failure_lifetime_s, timer=clock.monotonic_s
        )

    @property
    def under_way(self) -> int:
        """How many previews are being made, or wait to be."""
        return len(self._under_way)

    async def run(self) -> None:
        """Wait until cancelled, and let go of connections and threads then."""
        try:
            await asyncio.Event().wait()
        finally:
            making = list(self._under_way.values())
            for task in making:
                task.cancel()
            if making:
                await asyncio.wait(making)
            await self._making.close()

    async def query_preview(self, url: str) -> bytes:
        """Return the preview of a URL as JSON.

        Raises `Forbidden` for what is not fetched, `CannotPreview` for what cannot be, and
        `LimitExceeded` where too many are being made.
        """
        key = hashlib.sha256(url.encode()).digest()
        failure = self._failures.get(key)
        if failure is not None:
            raise type(failure)(failure.message)
        if key not in self._under_way:
            kept = await self._store.select_preview(key, self._clock.now_ms())
            if kept is not None:
                return kept
        # Another request may have come to it meanwhile.
        task = self._under_way.get(key) or self._begin(key, url)
        return await asyncio.shield(task)

    def _begin(self, key: bytes, url: str) -> asyncio.Task[bytes]:
        if len(self._under_way) >= self._settings.fetched_at_once + self._settings.waiting_max:
            raise LimitExceeded(_COME_BACK_MS, "Too many previews are being made.")
        task = asyncio.create_task(self._make(key, url), name="mediaapi, preview")
        self._under_way[key] = task

        def ended(task: asyncio.Task[bytes]) -> None:
            del self._under_way[key]
            # All who asked may have gone.
            if not task.cancelled():
                task.exception()

        task.add_done_callback(ended)
        return task

    async def _make(self, key: bytes, url: str) -> bytes:
        try:
            async with self._turns.turn(_host_of(url)):
                made = await self._making.make(url)
                return await to_its_end(self._keep(key, made))
        except UrlRefused as error:
            failure: Forbidden | CannotPreview = Forbidden("There are no previews of this URL.")
            cause: Exception = error
        except (GuardedRequestError, CannotPreview) as error:
            # Why is not told: it would tell what there is in networks that are denied.
            failure, cause = CannotPreview(), error
        _log.debug("There is no preview", extra={"reason": str(cause)})
        self._failures[key] = failure
        raise failure from cause

    async def _keep(self, key: bytes, made: MadePreview) -> bytes:
        """Store a preview with its picture, and return it."""
        now_ms = self._clock.now_ms()
        said, picture, written = dict(made.said), None, None
        if made.picture is not None:
            with suppress(Unavailable):
                written = await self._files.write(_pieces(made.picture.body))
                picture = PreviewPicture(_new_id(), made.picture.content_type)
                said |= self._said_of(made.picture, picture.media_id)
        body = msgspec.json.encode(said)
        preview = NewPreview(_new_id(), key, body, now_ms, now_ms + self._lifetime_ms)
        kept = await self._store.insert_preview(preview, picture, written)
        if written is not None and kept != written.name:
            await self._drop(written)
        # It may have taken the room of others.
        with suppress(Unavailable, DatabaseOutage):
            await self._removed.delete()
        return body

    def _said_of(self, picture: Picture, media_id: str) -> dict[str, str | int]:
        return {
            "og:image": f"mxc://{self._server_name}/{media_id}",
            "og:image:type": picture.content_type,
            "og:image:width": picture.width,
            "og:image:height": picture.height,
            "matrix:image:size": len(picture.body),
        }

    async def _drop(self, written: WrittenFile) -> None:
        with suppress(Unavailable):
            await self._files.delete([written.name])


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _host_of(url: str) -> str:
    """Return for whom a preview takes its turn; what is no URL is refused later."""
    try:
        return URL(url).host or ""
    except ValueError:
        return ""


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)
