"""Long work on the event loop, cut into slices between which others have their turn."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

SLICE_S: Final = 0.003
"""How long the work of all together holds the event loop before others have their turn."""


class Slices:
    """Shares a slice of each turn of the event loop among all long work of one kind.

    However much of it there is, what is short waits for one slice at most. It costs work that is
    short a look at the clock, and nothing else.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock: Final = clock
        self._until: float | None = None
        """The end of the slice of this turn; None before anybody works in it."""
        self._is_ending = False
        self._waiting: Final[deque[asyncio.Future[None]]] = deque()

    def has_time(self) -> bool:
        """Whether the work may go on for a step of some microseconds."""
        if self._until is None:
            self._until = self._clock() + SLICE_S
            self._end_with_turn()
            return True
        return self._clock() < self._until

    async def next(self) -> None:
        """Return when the work may go on; called between its steps."""
        while not self.has_time():
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _end_with_turn(self) -> None:
        if not self._is_ending:
            self._is_ending = True
            asyncio.get_running_loop().call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._is_ending = False
        self._until = None
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        if self._waiting:
            self._end_with_turn()
