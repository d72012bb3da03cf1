"""Who waits for media that is not uploaded yet."""

import asyncio
from collections import Counter


class PendingWaits:
    """Wakes the downloads that wait for an upload in this process."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()
        self._is_ended = False

    def uploaded(self, media_id: str) -> None:
        """Wake those who wait for this media."""
        event = self._events.get(media_id)
        if event is not None:
            event.set()

    def end(self) -> None:
        """Let all go: the process stops."""
        self._is_ended = True
        for event in self._events.values():
            event.set()

    async def wait(self, media_id: str, seconds: float) -> None:
        """Return when the media is uploaded here, or after some time."""
        if self._is_ended:
            return
        event = self._events.setdefault(media_id, asyncio.Event())
        self._waiting[media_id] += 1
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self._waiting[media_id] -= 1
            if not self._waiting[media_id]:
                del self._waiting[media_id], self._events[media_id]

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting.total()

    @property
    def is_ended(self) -> bool:
        """Whether nobody waits any more."""
        return self._is_ended
