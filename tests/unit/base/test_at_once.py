"""Work for many things, a few at a time."""

import asyncio

import pytest

from base.at_once import for_each


class Refused(Exception):
    """What work fails with."""


async def test_work_is_done_for_each_in_order_and_so_many_at_a_time() -> None:
    begun: list[int] = []
    under_way: set[int] = set()
    most = 0

    async def work(thing: int) -> None:
        nonlocal most
        begun.append(thing)
        under_way.add(thing)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.remove(thing)

    await for_each(range(20), work, at_once=3)

    assert begun == list(range(20))
    assert most == 3


async def test_a_failure_is_raised_as_it_is_once_what_has_begun_is_finished() -> None:
    finished: list[int] = []

    async def work(thing: int) -> None:
        if thing == 1:
            raise Refused
        await asyncio.sleep(0)
        finished.append(thing)

    with pytest.raises(Refused):
        await for_each(range(20), work, at_once=3)

    assert finished == [0, 2]


async def test_nothing_is_begun_for_no_things() -> None:
    async def work(thing: int) -> None:
        raise AssertionError(thing)

    await for_each([], work, at_once=3)
