"""One commit, and so one fsync, for all transactions that wait: the writer of a durable file."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import direct, sqlite_errors

T = TypeVar("T")
Work = Callable[[Connection], Any]

_MOST_AT_ONCE: Final = 100


class _Waiting(NamedTuple):
    work: Work
    future: asyncio.Future[Any]


class GroupCommit:
    """Runs transactions in a thread, one after another, and commits those that wait together.

    Each is whole or not at all: one that fails is undone alone. None is answered before the
    commit that it shares has reached the disk.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"write-{name}")
        self._lock = Lock()
        self._waiting: list[_Waiting] = []

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run one transaction and return its result once it is durable."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, loop.create_future())
        with self._lock:
            self._waiting.append(waiting)
            is_first = len(self._waiting) == 1
        if is_first:
            self._thread.submit(self._run_waiting, loop)
        result: T = await waiting.future
        return result

    def close(self) -> None:
        """Wait for what is under way."""
        self._thread.shutdown(wait=True)

    def _run_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            group, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
            if self._waiting:
                self._thread.submit(self._run_waiting, loop)
        results = self._commit(group)
        loop.call_soon_threadsafe(_settle, group, results)

    def _commit(self, group: list[_Waiting]) -> list[Any]:
        try:
            with self._connection.begin():
                if len(group) == 1:
                    return [group[0].work(self._connection)]
                return [self._run_one(one.work) for one in group]
        except sa.exc.DBAPIError as error:
            told = sqlite_errors.told_of(error)
            if told is None:
                return [_Failed(error)] * len(group)
            told.__cause__ = error
            return [_Failed(told)] * len(group)
        except Exception as error:  # noqa: BLE001 — it is raised again where it is waited for
            return [_Failed(error)] * len(group)

    def _run_one(self, work: Work) -> Any:
        connection = self._connection
        driver = direct.driver_of(connection)
        if driver is None:
            raise TypeError("Only SQLite's transactions are committed together.")
        direct.execute(driver, "SAVEPOINT one")
        try:
            result = work(connection)
        except Exception as error:
            if isinstance(error, sa.exc.DBAPIError) and sqlite_errors.told_of(error) is not None:
                # It concerns all, and SQLite may have undone all.
                raise
            direct.execute(driver, "ROLLBACK TO one")
            result = _Failed(error)
        direct.execute(driver, "RELEASE one")
        return result


class _Failed(NamedTuple):
    error: Exception


def _settle(group: list[_Waiting], results: list[Any]) -> None:
    for waiting, result in zip(group, results, strict=True):
        if waiting.future.done():
            continue
        if isinstance(result, _Failed):
            waiting.future.set_exception(result.error)
        else:
            waiting.future.set_result(result)
