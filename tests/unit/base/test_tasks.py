"""Long-running tasks are stopped in order, and none ends unnoticed."""

# ruff: noqa: PT012 (what a context manager raises on leaving is the point)

import asyncio
import logging

import pytest

from base.tasks import TaskEnded, Tasks, run


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_fails_ends_the_wait(caplog: pytest.LogCaptureFixture) -> None:
    async def failing() -> None:
        raise OSError("disk full")

    with pytest.raises(TaskEnded, match="projector") as ended:
        async with Tasks() as tasks:
            tasks.start("idle", forever())
            tasks.start("projector", failing())
            await tasks.wait()

    assert isinstance(ended.value.__cause__, OSError)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_task_that_returns_ends_the_wait() -> None:
    async def returning() -> None:
        return

    with pytest.raises(TaskEnded, match="consumer"):
        async with Tasks() as tasks:
            tasks.start("consumer", returning())
            await tasks.wait()


async def test_a_failure_that_nobody_waited_for_is_raised_at_the_end() -> None:
    async def failing() -> None:
        raise OSError("disk full")

    with pytest.raises(TaskEnded):
        async with Tasks() as tasks:
            task = tasks.start("projector", failing())
            await asyncio.wait([task])


async def test_leaving_stops_the_newest_first_and_waits_for_each() -> None:
    ended: list[str] = []

    async def running(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    async with Tasks() as tasks:
        for name in ("database", "consumer", "server"):
            tasks.start(name, running(name))
        await asyncio.sleep(0)

    assert ended == ["server", "consumer", "database"]


async def test_an_error_of_the_body_passes_and_stops_the_tasks() -> None:
    with pytest.raises(ValueError, match="mine"):
        async with Tasks() as tasks:
            task = tasks.start("idle", forever())
            raise ValueError("mine")

    assert task.cancelled()


async def test_a_task_that_fails_while_it_stops_does_not_keep_others_from_stopping(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def clumsy() -> None:
        try:
            await forever()
        finally:
            raise OSError("lost")

    async with Tasks() as tasks:
        first = tasks.start("first", forever())
        tasks.start("clumsy", clumsy())
        await asyncio.sleep(0)

    assert first.cancelled()
    assert "A task failed while it stopped" in caplog.text


async def test_waiting_may_be_cancelled() -> None:
    async with Tasks() as tasks:
        tasks.start("idle", forever())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await tasks.wait()


def test_a_process_runs_its_main_coroutine() -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(main()).startswith("uvloop")
