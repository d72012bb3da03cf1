"""How a request waits for something new: no longer than its access token is good."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from components.syncapi.memory.projected import Projected
from internalapi.userapi import Requester

_SOON_S: Final = 0.25
_MS: Final = 1000

Check = Callable[[], Awaitable[Requester]]
"""Raises what the access token of the request is refused with, if it is."""


class Wait(msgspec.Struct, frozen=True, gc=False):
    """How long a request may wait, and on whose behalf."""

    requester: Requester
    check: Check
    deadline: float
    """The time of the event loop."""


class Waiter:
    """Lets requests wait for what concerns their users."""

    def __init__(self, projected: Projected, now_ms: Callable[[], int]) -> None:
        self._projected: Final = projected
        self._now_ms: Final = now_ms

    async def wait(self, wait: Wait) -> bool:
        """Return whether to look again: true once the user is woken, false at the deadline.

        Nothing is missed if the caller awaits nothing between its last look and this call.
        Raises what the check of the access token does, when its time is over or it may be revoked.
        """
        projected, requester = self._projected, wait.requester
        loop = asyncio.get_running_loop()
        until = wait.deadline
        if requester.expires_at_ms is not None:
            until = min(until, loop.time() + (requester.expires_at_ms - self._now_ms()) / _MS)
        is_revoked = requester.user_id in projected.signed_out
        if is_revoked:
            # Who knows the tokens of this process may hear of it a little later than we did.
            await wait.check()
        if not projected.cached_users.mark_active(requester.user_id) or is_revoked:
            # What came during the check has woken nobody, and nobody wakes one who made room for
            # others in memory.
            until = min(until, loop.time() + _SOON_S)
        is_woken = await projected.polls.wait(requester.user_id, until, requester.device_id)
        if requester.expires_at_ms is not None and requester.expires_at_ms <= self._now_ms():
            await wait.check()
        # Who made room for other requests is answered before that time.
        return is_woken or until <= loop.time() < wait.deadline
