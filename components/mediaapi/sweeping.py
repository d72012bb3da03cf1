"""Deletes what is of no use: media never uploaded, old previews, files that nothing refers to."""

from typing import Final

from base.clock import Clock, SystemClock
from base.database import DatabaseOutage
from base.repeating import repeat
from components.mediaapi.files.interface import MediaFiles
from components.mediaapi.removing import RemovedFiles
from components.mediaapi.settings import MediaApiSettings
from components.mediaapi.store.media import MediaStore
from components.mediaapi.store.previews import PreviewStore
from matrix.errors import Unavailable

_BETWEEN_PASSES_S: Final = 3600
_LEAST_AGE_MS: Final = 3_600_000
_SHOWN_LONGER_MS: Final = 3_600_000
"""Clients ask for the picture of a preview somewhat later than for the preview."""
_OUTAGES: Final = (DatabaseOutage, Unavailable, OSError)


class Sweeping:
    """Looks at the start, and once an hour.

    A file is finished before the index knows of it. So one that nothing refers to is deleted when
    it is an hour old; at the start of a server that is alone, when it was there before.
    """

    def __init__(
        self,
        *,
        store: MediaStore,
        previews: PreviewStore,
        files: MediaFiles,
        removed: RemovedFiles,
        clock: Clock,
        settings: MediaApiSettings,
        is_alone: bool,
    ) -> None:
        self._store = store
        self._previews = previews
        self._files = files
        self._removed = removed
        self._clock = clock
        self._upload_ms = int(settings.upload_timeout_s * 1000)
        # Files have the times of the system.
        started_ms = SystemClock().now_ms()
        self._started_ms = started_ms if is_alone else started_ms - _LEAST_AGE_MS

    async def run(self) -> None:
        """Delete what is of no use, until cancelled."""
        before_ms = self._started_ms

        async def sweep() -> None:
            nonlocal before_ms
            await self.sweep(before_ms)
            before_ms = SystemClock().now_ms() - _LEAST_AGE_MS

        await repeat(
            sweep, pause_s=_BETWEEN_PASSES_S, outages=_OUTAGES, what="deleting unused media"
        )

    async def sweep(self, before_ms: int) -> None:
        """Delete all that is of no use, and files only if they were there before then."""
        while await self._store.delete_expired(self._clock.now_ms() - self._upload_ms):
            pass
        while await self._previews.delete_expired(self._clock.now_ms() - _SHOWN_LONGER_MS):
            pass
        await self._removed.delete()
        await self._files.delete_unfinished(before_ms)
        recent = await self._files.list_recent(before_ms)
        unknown = await self._store.select_unknown_files(recent)
        if unknown:
            await self._files.delete(unknown)
