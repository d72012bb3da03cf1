"""The same work for many things, a few of them at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def for_each(
    things: Sequence[T], work: Callable[[T], Awaitable[object]], *, at_once: int
) -> None:
    """Do the work for all of these things, in their order, so many at a time.

    After the first failure no further work is begun; what has begun is finished, and then that
    failure is raised as it is.
    """
    remaining = iter(things)
    failures: list[Exception] = []

    async def do_some() -> None:
        for thing in remaining:
            try:
                await work(thing)
            except Exception as failure:  # noqa: BLE001 (raised below, by whoever waits for all)
                failures.append(failure)
            if failures:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(things))):
            group.create_task(do_some())
    if failures:
        raise failures[0]
