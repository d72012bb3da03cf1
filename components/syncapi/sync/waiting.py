"""How a request waits for something new: no longer than its access token is good."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from components.syncapi.memory.projected import Projected

_SOON_S: Final = 0.25

Check = Callable[[], Awaitable[object]]
"""Raises what the access token of the request is refused with, if it is."""


class Waiter:
    """Lets requests wait for what concerns their users."""

    def __init__(self, projected: Projected) -> None:
        self._projected: Final = projected

    async def wait(self, user_id: str, check: Check, deadline: float) -> bool:
        """Return whether to look again: true once the user is woken, false at the deadline.

        Nothing is missed if the caller awaits nothing between its last look and this call.
        Raises what `check` does.
        """
        polls = self._projected.polls
        if user_id not in self._projected.signed_out:
            return await polls.wait(user_id, deadline)
        await check()
        # Who knows the tokens of this process may hear of it a little later than we did. And
        # what came during the check has woken nobody.
        loop = asyncio.get_running_loop()
        is_woken = await polls.wait(user_id, min(deadline, loop.time() + _SOON_S))
        return is_woken or (loop.time() < deadline and not polls.is_closed)
