"""Long-running work of a process: named, owned, and never ended unnoticed."""

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvloop

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


class TaskEnded(Exception):
    """A task that should run as long as the process has ended."""


class Tasks:
    """Owns the long-running coroutines of a process.

        async with Tasks() as tasks:
            tasks.start("syncapi projector", projector.run())
            await tasks.wait()

    A task that ends by itself, by return or by exception, ends `wait` with that error. On leaving
    the context the tasks are cancelled, the newest first, and each is awaited: what was started
    on top of another goes before it.
    """

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[None] | None = None
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._failure = asyncio.get_running_loop().create_future()
        return self

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine that is not meant to end."""
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._stopping:
            return
        self._tasks.remove(task)
        error = None if task.cancelled() else task.exception()
        _log.error("A task has ended", exc_info=error, extra={"task": task.get_name()})
        if self._failure is not None and not self._failure.done():
            ended = TaskEnded(task.get_name())
            ended.__cause__ = error
            self._failure.set_exception(ended)
            # Seen by whoever waits; the context's end looks at it too.
            self._failure.exception()

    async def wait(self) -> None:
        """Wait until a task ends by itself, and raise `TaskEnded` then."""
        if self._failure is None:
            raise RuntimeError("Tasks are waited for inside their context")
        await asyncio.shield(self._failure)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping = True
        for task in reversed(self._tasks):
            await _stop(task)
        if error is None and self._failure is not None and self._failure.done():
            self._failure.result()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error(
            "A task failed while it stopped", exc_info=error, extra={"task": task.get_name()}
        )


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await something short; on cancellation only once it has ended.

    For a query that, cut off, would cost its connection.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run the process's main coroutine on a fast event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
