"""Requests that wait for something new."""

import asyncio
from collections.abc import Collection, Iterable, KeysView
from functools import partial
from typing import Final, NamedTuple

from matrix.errors import LimitExceeded

_RETRY_AFTER_MS: Final = 1000


class _Poll(NamedTuple):
    """A request that waits."""

    device_id: str
    future: asyncio.Future[bool]


class LongPolls:
    """The requests of /sync that wait for something new, by user."""

    def __init__(self, max_polls: int, max_polls_per_user: int) -> None:
        self._max_polls: Final = max_polls
        self._max_polls_per_user: Final = max_polls_per_user
        self._by_user: Final[dict[str, list[_Poll]]] = {}
        self._count = 0
        self._closed = False

    @property
    def users(self) -> KeysView[str]:
        """The users who wait."""
        return self._by_user.keys()

    def __len__(self) -> int:
        """Return how many requests wait."""
        return self._count

    async def wait(self, user_id: str, deadline: float, device_id: str = "") -> bool:
        """Return true once the user or device is woken, false at the deadline (the event loop's).

        Raises `LimitExceeded` if too many wait already. Nothing is missed between the caller's
        last look at memory and this call if the caller awaits nothing in between.
        """
        if self._closed:
            return False
        if self._count >= self._max_polls:
            raise LimitExceeded(_RETRY_AFTER_MS, "Too many clients are waiting.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_at(deadline, partial(_settle, future, woken=False))
        waiting = self._by_user.setdefault(user_id, [])
        if len(waiting) >= self._max_polls_per_user:
            _settle(waiting[0].future, woken=False)
            self._forget(user_id, waiting[0])
            waiting = self._by_user.setdefault(user_id, [])
        poll = _Poll(device_id, future)
        waiting.append(poll)
        self._count += 1
        try:
            return await future
        finally:
            timer.cancel()
            self._forget(user_id, poll)

    def _forget(self, user_id: str, poll: _Poll) -> None:
        waiting = self._by_user.get(user_id)
        if waiting is None or poll not in waiting:
            return
        waiting.remove(poll)
        self._count -= 1
        if not waiting:
            del self._by_user[user_id]

    def wake(self, user_ids: Collection[str]) -> None:
        """Let the waiting requests of these users look again."""
        for user_id in user_ids:
            waiting = self._by_user.pop(user_id, None)
            if waiting is not None:
                self._count -= len(waiting)
                for poll in waiting:
                    _settle(poll.future, woken=True)

    def wake_devices(self, devices: Iterable[tuple[str, str]]) -> None:
        """Let the waiting requests of these devices look again, given with their users."""
        for user_id, device_id in devices:
            for poll in tuple(self._by_user.get(user_id, ())):
                if poll.device_id == device_id:
                    self._forget(user_id, poll)
                    _settle(poll.future, woken=True)

    def close(self) -> None:
        """End all waiting, and let nobody wait any more."""
        self._closed = True
        for waiting in list(self._by_user.values()):
            for poll in waiting:
                _settle(poll.future, woken=False)


def _settle(future: asyncio.Future[bool], *, woken: bool) -> None:
    if not future.done():
        future.set_result(woken)
