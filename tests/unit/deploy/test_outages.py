"""What a process tells of outages: once that something is away, and once that it is back."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from base.database import DatabaseOutage
from deploy.watching.outages import Dependency

AWAY, BACK = "A dependency is not there", "A dependency is there again"
FAILED = "A dependency is there, but has failed"


class Broker:
    """What the process stands on."""

    def __init__(self) -> None:
        self.is_there = True
        self.looks = 0
        self._looked = asyncio.Event()

    async def check(self) -> None:
        self.looks += 1
        self._looked.set()
        if not self.is_there:
            raise DatabaseOutage("connection refused")

    async def wait_for_looks(self, count: int) -> None:
        """Return once it has been looked at so many times more, and the last look is over."""
        enough = self.looks + count + 1
        while self.looks < enough:
            self._looked.clear()
            await self._looked.wait()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def dependency(broker: Broker) -> AsyncIterator[Dependency]:
    dependency = Dependency("the log", broker.check, look_every_s=0.01)
    task = asyncio.create_task(dependency.run())
    yield dependency
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> None:
    """Let lines of all levels be kept."""
    caplog.set_level(logging.INFO, "deploy.watching.outages")


async def test_an_outage_is_told_once_and_its_end_once(
    broker: Broker, dependency: Dependency, caplog: pytest.LogCaptureFixture
) -> None:
    await broker.wait_for_looks(1)
    broker.is_there = False
    await broker.wait_for_looks(1)
    for _ in range(10):
        dependency.missed("a send failed")
    await broker.wait_for_looks(1)
    broker.is_there = True
    await broker.wait_for_looks(3)

    assert [(line.levelname, line.message) for line in caplog.records] == [
        ("WARNING", AWAY),
        ("INFO", BACK),
    ]
    assert vars(caplog.records[0])["what"] == "the log"
    assert vars(caplog.records[0])["why"] == "connection refused"


async def test_what_ends_in_an_outage_that_is_over_is_not_told(
    broker: Broker, dependency: Dependency, caplog: pytest.LogCaptureFixture
) -> None:
    broker.is_there = False
    await broker.wait_for_looks(1)
    broker.is_there = True
    await broker.wait_for_looks(1)
    dependency.missed("a send that had waited for a minute failed", 60.0)
    await broker.wait_for_looks(2)

    assert [line.message for line in caplog.records] == [AWAY, BACK]


async def test_one_that_answers_but_fails_is_told_of_once_a_minute(
    broker: Broker, dependency: Dependency, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        dependency.missed("disk full")
        await broker.wait_for_looks(1)

    assert [(line.levelname, line.message) for line in caplog.records] == [("WARNING", FAILED)]
    assert vars(caplog.records[0])["why"] == "disk full"


async def test_two_outages_are_told_twice(
    broker: Broker,
    dependency: Dependency,  # noqa: ARG001 (it runs)
    caplog: pytest.LogCaptureFixture,
) -> None:
    for is_there in (False, True, False, True):
        broker.is_there = is_there
        await broker.wait_for_looks(1)

    assert [line.message for line in caplog.records] == [AWAY, BACK, AWAY, BACK]
