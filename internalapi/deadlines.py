"""Until when an answer is of use: set by a caller, carried along by every internal call."""

import asyncio
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from matrix.errors import Unavailable

_deadline: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)
"""On the clock of the running event loop."""


class DeadlineExceeded(Unavailable):
    """The answer did not come in time."""


class deadline:  # noqa: N801 (reads as a verb: async with deadline(5))
    """Bounds what happens inside to so many seconds, and to the deadline outside of it.

        async with deadline(5):
            await rooms.query_state(room_id=room_id)

    What is not done by then is cancelled, here and in the components that were called, and
    `DeadlineExceeded` is raised; it does not matter whether they run in this process.
    """

    __slots__ = ("_seconds", "_timeout", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout: asyncio.Timeout | None = None
        self._token: Token[float | None] | None = None

    async def __aenter__(self) -> None:
        until = asyncio.get_running_loop().time() + self._seconds
        outer = _deadline.get()
        if outer is not None and outer <= until:
            return  # the outer one strikes first
        self._timeout = asyncio.timeout_at(until)
        await self._timeout.__aenter__()
        self._token = _deadline.set(until)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timeout is None or self._token is None:
            return
        _deadline.reset(self._token)
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise DeadlineExceeded from error


def remaining_s() -> float | None:
    """Return the seconds until the deadline, perhaps negative; `None` if there is none."""
    until = _deadline.get()
    return None if until is None else until - asyncio.get_running_loop().time()
