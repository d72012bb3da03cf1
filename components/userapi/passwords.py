"""Passwords are hashed and checked in a few threads of their own: each takes long on purpose."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import bcrypt

from matrix.errors import LimitExceeded

T = TypeVar("T")

_RETRY_AFTER_MS: Final = 2000


class Passwords:
    """Hashes passwords with bcrypt, a bounded number of them at a time."""

    def __init__(self, *, cost: int, threads: int, waiting_max: int) -> None:
        self._cost = cost
        self._pending_max = threads + waiting_max
        self._pending = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")

    async def hash(self, password: str) -> bytes:
        """Return the hash to store. Raises `LimitExceeded` when too many are waiting."""
        return await self._run(lambda: self._hash(password))

    async def check(self, password: str, password_hash: bytes | None) -> bool:
        """Return whether it is the password. Raises `LimitExceeded` when too many are waiting.

        Without a hash the answer is no, and takes as long: it tells nobody who has an account.
        """
        if password_hash is None:
            await self.hash(password)
            return False
        return await self._run(lambda: bcrypt.checkpw(_prepared(password), password_hash))

    def _hash(self, password: str) -> bytes:
        return bcrypt.hashpw(_prepared(password), bcrypt.gensalt(self._cost))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._pending_max:
            raise LimitExceeded(_RETRY_AFTER_MS)
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._done)
        # A client that goes away does not stop the thread: it counts until it is done.
        return await asyncio.shield(future)

    def _done(self, _future: "asyncio.Future[T]") -> None:
        self._pending -= 1

    def close(self) -> None:
        """Let the threads finish what runs, and drop what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _prepared(password: str) -> bytes:
    # bcrypt reads no more than 72 bytes, and stops at a NUL: it is given a digest of the whole.
    return base64.b64encode(hashlib.sha256(password.encode()).digest())
