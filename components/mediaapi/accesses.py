"""When media was last downloaded: noted in memory, and written down from time to time."""

from typing import Final

from base.clock import Clock
from components.mediaapi.store.media import MediaStore

_NOTED_MAX: Final = 10_000


class Accesses:
    """What was downloaded since it was last written down; a crash may forget it."""

    def __init__(self, store: MediaStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._noted: dict[str, int] = {}

    def note(self, media_id: str) -> None:
        """Note a download. Where too much is noted, it is not."""
        if len(self._noted) < _NOTED_MAX or media_id in self._noted:
            self._noted[media_id] = self._clock.now_ms()

    async def write_down(self) -> None:
        """Write down all that is noted."""
        noted, self._noted = self._noted, {}
        if noted:
            await self._store.update_access(noted)
