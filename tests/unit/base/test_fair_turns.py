"""Turns: so many at once, and nobody is held up by the many of somebody else."""

import asyncio

import pytest

from base.fair_turns import FairTurns
from matrix.errors import LimitExceeded


class Workers:
    """Tasks that hold a turn until they are told to end; who began is written down in order."""

    def __init__(self, turns: FairTurns) -> None:
        self._turns = turns
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, key: str, *names: str) -> None:
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._work(key, name))
        await _settle()

    async def _work(self, key: str, name: str) -> None:
        async with self._turns.turn(key):
            self.begun.append(name)
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
        await _settle()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def turns(*, at_once: int = 2, at_once_per_key: int = 1, waiting_per_key: int = 3) -> FairTurns:
    return FairTurns(
        at_once=at_once, at_once_per_key=at_once_per_key, waiting_per_key=waiting_per_key
    )


async def test_the_many_of_one_key_leave_room_for_another() -> None:
    workers = Workers(turns())

    await workers.start("alice", "a1", "a2", "a3")
    await workers.start("bob", "b1")

    assert workers.begun == ["a1", "b1"]
    await workers.end("a1", "a2", "a3", "b1")


async def test_keys_take_turns_where_all_places_are_taken() -> None:
    workers = Workers(turns(at_once=1))
    await workers.start("alice", "a1", "a2", "a3")
    await workers.start("bob", "b1", "b2")
    await workers.start("charlie", "c1")

    for _ in range(6):
        await workers.end(workers.begun[-1])

    assert workers.begun == ["a1", "a2", "b1", "c1", "a3", "b2"]


async def test_too_many_who_wait_are_refused_and_nobody_else() -> None:
    workers = Workers(turns(waiting_per_key=2))
    await workers.start("alice", "a1", "a2", "a3", "a4")
    await workers.start("bob", "b1")

    with pytest.raises(LimitExceeded):
        await workers.tasks["a4"]

    assert workers.begun == ["a1", "b1"]
    await workers.end("a1", "a2", "a3", "b1")
    assert workers.begun == ["a1", "b1", "a2", "a3"]


async def test_who_goes_away_while_waiting_takes_no_turn() -> None:
    workers = Workers(turns(at_once=1))
    await workers.start("alice", "a1", "a2", "a3")

    workers.tasks["a2"].cancel()
    await workers.end("a1")

    assert workers.begun == ["a1", "a3"]
    await workers.end("a3")
    await workers.start("bob", "b1")
    assert workers.begun == ["a1", "a3", "b1"]
    await workers.end("b1")


async def test_who_goes_away_when_its_turn_has_come_gives_it_on() -> None:
    workers = Workers(turns(at_once=1))
    await workers.start("alice", "a1", "a2", "a3")

    workers.tasks["a1"].cancel()
    workers.tasks["a2"].cancel()
    await _settle()

    assert workers.begun == ["a1", "a3"]
    await workers.end("a3")


async def test_work_that_fails_ends_its_turn() -> None:
    fair = turns(at_once=1)

    with pytest.raises(ZeroDivisionError):
        async with fair.turn("alice"):
            _ = 1 // 0

    async with fair.turn("bob"):
        pass
