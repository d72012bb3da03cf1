"""Waiting longer after each failure, each time a little differently."""

import asyncio
import random
from typing import Final

_FIRST_S: Final = 0.05
_LONGEST_S: Final = 5.0


class Backoff:
    """The waits between tries: 50 ms at first, doubling up to 5 s, shortened at random."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    def reset(self) -> None:
        """Begin again, after a success."""
        self._next_s = _FIRST_S

    async def wait(self, stop: asyncio.Event | None = None) -> None:
        """Wait, but no longer than until `stop` is set."""
        # Many consumers that lost the same database must not all come back at once.
        delay_s = self._next_s * random.uniform(0.5, 1)  # noqa: S311 — no secret
        self._next_s = min(self._next_s * 2, _LONGEST_S)
        if stop is None:
            await asyncio.sleep(delay_s)
            return
        try:
            await asyncio.wait_for(stop.wait(), delay_s)
        except TimeoutError:
            return
