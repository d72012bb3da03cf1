"""Long work on the event loop, cut into slices between which others have their turn."""

import asyncio
from time import monotonic
from typing import Final

SLICE_S: Final = 0.003
"""How long work holds the event loop at a time: requests that are short wait no longer for it."""


class Slices:
    """The slices of one piece of work.

    It costs work that is short a look at the clock for each step, and nothing else.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = monotonic() + SLICE_S

    async def next(self) -> None:
        """Let others go first if the slice is over: called between steps of some microseconds."""
        if monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = monotonic() + SLICE_S
