"""What is dear to read is read once for all who ask meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")


class SharedReading(Generic[T]):
    """A reading that all share who ask before it begins.

    One is under way and one waits at most, however many ask. Nobody is given what was read before
    they asked.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read: Final = read
        self._under_way: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Return what the next reading gives, or raise what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._under_way))
        # Others may wait for it, too.
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._under_way, self._next = self._next, None
        return await self._read()
