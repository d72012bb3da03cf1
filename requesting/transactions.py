"""Transaction IDs: a repeated request gets the answer of the first one.

This memory catches a repeat at the same process, also while the first is under way. A repeat
that comes to another process, or after a restart, is recognised by the room server.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")


class Transactions(Generic[T]):
    """Requests under way and the answers of recent ones, by user, device and path."""

    def __init__(self, remembered: int) -> None:
        self._under_way: dict[Hashable, asyncio.Future[T]] = {}
        self._answered: LRUCache[Hashable, T] = LRUCache(remembered)

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._answered)

    async def once(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work unless it was done or is being done; return what came of it.

        A failure is shared with those who wait for it, and not remembered.
        """
        answered = self._answered.get(key)
        if answered is not None:
            return answered
        first = self._under_way.get(key)
        if first is not None:
            return await asyncio.shield(first)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._under_way[key] = future
        try:
            result = await work()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
                # Nobody may be waiting: an exception that is never read would be logged.
                future.exception()
            raise
        else:
            future.set_result(result)
            self._answered[key] = result
            return result
        finally:
            del self._under_way[key]
