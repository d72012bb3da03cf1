"""Work that comes again and again."""

import asyncio

import pytest

from base.repeating import repeat


class Outage(Exception):
    """The database is away."""


class Broken(Exception):
    """Something that nobody has thought of."""


async def test_work_goes_on_after_an_outage() -> None:
    tries: list[int] = []
    done = asyncio.Event()

    async def work() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise Outage
        done.set()

    task = asyncio.create_task(repeat(work, pause_s=0, outages=(Outage,), what="trying"))
    await done.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(tries) >= 3


async def test_what_is_no_outage_ends_it() -> None:
    async def work() -> None:
        raise Broken

    with pytest.raises(Broken):
        await repeat(work, pause_s=0, outages=(Outage,), what="trying")
