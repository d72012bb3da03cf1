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
        projected = self._projected
        if user_id in projected.signed_out:
            # Who knows the tokens of this process may hear of it a little later than we did.
            await check()
        elif projected.users.stir(user_id):
            return await projected.polls.wait(user_id, deadline)
        # What came during the check has woken nobody, and nobody wakes one who made room for
        # others in memory.
        projected.users.stir(user_id)
        loop = asyncio.get_running_loop()
        is_woken = await projected.polls.wait(user_id, min(deadline, loop.time() + _SOON_S))
        return is_woken or (loop.time() < deadline and not projected.polls.is_closed)
