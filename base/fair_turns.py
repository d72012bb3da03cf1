"""Turns at something dear: so many at once, and no one of those who ask holds up the others."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from matrix.errors import LimitExceeded

_COME_BACK_MS: Final = 1000


class FairTurns:
    """Lets `at_once` work at the same time, `at_once_per_key` of them for the same key.

    The others wait. Keys take turns, however many each of them has waiting.
    """

    def __init__(self, *, at_once: int, at_once_per_key: int, waiting_per_key: int) -> None:
        self._at_once: Final = at_once
        self._at_once_per_key: Final = at_once_per_key
        self._waiting_per_key: Final = waiting_per_key
        self._working: Final[Counter[str]] = Counter()
        self._waiting: Final[OrderedDict[str, deque[asyncio.Future[None]]]] = OrderedDict()
        """Those who wait by key, the key whose turn comes next first."""

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it. Raises `LimitExceeded` where too many of the key wait."""
        if self._may_begin(key) and key not in self._waiting:
            self._working[key] += 1
        else:
            await self._wait(key)
        try:
            yield
        finally:
            self._end(key)

    def _may_begin(self, key: str) -> bool:
        return self._working.total() < self._at_once and self._working[key] < self._at_once_per_key

    async def _wait(self, key: str) -> None:
        queue = self._waiting.setdefault(key, deque())
        if len(queue) >= self._waiting_per_key:
            raise LimitExceeded(_COME_BACK_MS)
        begun = asyncio.get_running_loop().create_future()
        queue.append(begun)
        try:
            await begun
        except asyncio.CancelledError:
            if begun.cancelled():
                self._drop_cancelled(key)
            else:
                self._end(key)
            raise

    def _drop_cancelled(self, key: str) -> None:
        queue = self._waiting.get(key, ())
        left = deque(begun for begun in queue if not begun.cancelled())
        if left:
            self._waiting[key] = left
        else:
            self._waiting.pop(key, None)

    def _end(self, key: str) -> None:
        self._working[key] -= 1
        if not self._working[key]:
            del self._working[key]
        for waiting in list(self._waiting):
            if self._working.total() >= self._at_once:
                return
            if self._may_begin(waiting):
                self._begin_next(waiting)

    def _begin_next(self, key: str) -> None:
        self._drop_cancelled(key)
        queue = self._waiting.pop(key, None)
        if queue is None:
            return
        self._working[key] += 1
        queue.popleft().set_result(None)
        if queue:
            self._waiting[key] = queue
