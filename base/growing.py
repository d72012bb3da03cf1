"""A number that only grows, and those who wait for it."""

import asyncio
from typing import Final


class GrowingNumber:
    """How far something has come: whoever needs it further waits here."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self._waiting: Final[dict[asyncio.Future[None], int]] = {}

    def grow(self, value: int) -> None:
        """Let the number be at least this, and wake those who wait for no more."""
        if value <= self.value:
            return
        self.value = value
        for future, wanted in self._waiting.items():
            if wanted <= value and not future.done():
                future.set_result(None)

    async def reach(self, value: int) -> None:
        """Return once the number is at least this: at once, if it is already."""
        if self.value >= value:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = value
        try:
            await future
        finally:
            del self._waiting[future]
