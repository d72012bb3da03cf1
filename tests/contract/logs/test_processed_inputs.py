"""Those who append inputs hear when they are processed, and what came of them is appended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from base.database import Database
from logs.log import Log
from logs.processed_inputs import ProcessedInputs, ProcessedTeller, processed_reader
from matrix.errors import Unavailable
from tests.contract.logs.ledger import (
    Behaviour,
    UnreliableLog,
    make_consumer,
    open_ledger,
    running,
)
from tests.contract.logs.under_test import numbered

_LONG_S = 20


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def at_work(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these meanwhile."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def derived(log: Log) -> int:
    """Return how many records were derived."""
    return sum((await log.ends(["Derived"]))["Derived"])


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_who_waits_for_an_input_finds_what_came_of_it_in_the_log(
    log: Log, database: Database, *, elsewhere: bool
) -> None:
    inputs, teller = ProcessedInputs(), ProcessedTeller(log)
    reader = processed_reader(log, inputs, "test")
    note = teller.note if elsewhere else inputs.note
    consumer = make_consumer(log, database, on_processed=note)
    async with at_work(teller.run(), reader.run()), running(consumer):
        await inputs.heard.wait()

        async def write(number: int) -> None:
            [position] = await log.append("Numbers", numbered(number))
            await inputs.reach("ledger", position, _LONG_S)
            assert await derived(log) > position.offset

        await asyncio.gather(*map(write, range(30)))
        await write(30)


async def test_an_input_of_which_nothing_comes_is_told_too(log: Log, database: Database) -> None:
    behaviour, inputs = Behaviour(), ProcessedInputs()
    behaviour.passes_on = False
    async with running(make_consumer(log, database, behaviour, on_processed=inputs.note)):
        [position] = await log.append("Numbers", numbered(1))

        await inputs.reach("ledger", position, _LONG_S)

        assert behaviour.committed == [1]


async def test_nobody_is_told_before_the_output_is_appended(log: Log, database: Database) -> None:
    behaviour, inputs, unreliable = Behaviour(), ProcessedInputs(), UnreliableLog(log)
    async with running(make_consumer(unreliable, database, behaviour, on_processed=inputs.note)):
        [first] = await log.append("Numbers", numbered(1))
        await inputs.reach("ledger", first, _LONG_S)
        unreliable.is_away = True
        [second] = await log.append("Numbers", numbered(2))

        with pytest.raises(Unavailable):
            await inputs.reach("ledger", second, 0.2)
        assert behaviour.committed == [1, 2]

        unreliable.is_away = False
        await inputs.reach("ledger", second, _LONG_S)
        assert await derived(log) == 2


async def test_a_new_owner_tells_what_the_one_before_has_done(log: Log, database: Database) -> None:
    [position] = await log.append("Numbers", numbered(1))
    before = ProcessedInputs()
    async with running(make_consumer(log, database, on_processed=before.note)):
        await before.reach("ledger", position, _LONG_S)

    after = ProcessedInputs()
    async with running(make_consumer(log, database, on_processed=after.note)):
        await after.reach("ledger", position, _LONG_S)
