"""Slices: long work goes on between the turns of others, and all of it shares one slice."""

import asyncio
import itertools

import pytest

from base.slices import SLICE_S, Slices


async def test_all_long_work_together_has_one_slice_of_each_turn() -> None:
    # Each look at the clock is a third of a slice after the one before.
    steps = itertools.count()
    slices = Slices(lambda: next(steps) * SLICE_S / 3)
    begun: list[int] = []

    async def work(number: int) -> None:
        for _ in range(30):
            await slices.next()
            begun.append(number)

    works = [asyncio.create_task(work(number)) for number in range(4)]
    turns = [0]
    while not all(one.done() for one in works):
        await asyncio.sleep(0)
        turns.append(len(begun))

    assert begun[-1] == 3
    assert sorted(begun) == [number for number in range(4) for _ in range(30)]
    # A slice has three steps; what is counted between two turns may be parts of two slices.
    assert max(after - before for before, after in itertools.pairwise(turns)) <= 6


async def test_work_that_is_short_does_not_wait() -> None:
    slices = Slices(lambda: 0.0)

    async def work() -> None:
        for _ in range(1000):
            await slices.next()

    with pytest.raises(StopIteration):
        work().send(None)


async def test_work_that_is_given_up_takes_no_turn_from_others() -> None:
    now = 0.0
    slices = Slices(lambda: now)

    async def use_all() -> None:
        nonlocal now
        await slices.next()
        now += SLICE_S

    async def give_up() -> None:
        given_up.cancel()

    using = asyncio.create_task(use_all())
    given_up, waiting = (asyncio.create_task(slices.next()) for _ in range(2))
    giving_up = asyncio.create_task(give_up())

    async with asyncio.timeout(10):
        await asyncio.gather(using, waiting, giving_up)
    assert given_up.cancelled()
