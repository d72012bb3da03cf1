"""A shared reading: one for all who ask before it begins; who comes later gets another one."""

import asyncio

from base.shared_reading import SharedReading


class Source:
    """Gives numbers, each when it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.turns = asyncio.Semaphore(0)

    async def read(self) -> int:
        self.begun += 1
        number = self.begun
        await self.turns.acquire()
        if number == 3:
            raise LookupError("the third")
        return number


async def until_begun(source: Source, count: int) -> None:
    async with asyncio.timeout(10):
        while source.begun < count:  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0)


async def test_who_asks_during_a_reading_shares_the_next_one() -> None:
    source = Source()
    shared = SharedReading(source.read)
    first = [asyncio.create_task(shared.result()) for _ in range(3)]
    await until_begun(source, 1)
    later = [asyncio.create_task(shared.result()) for _ in range(3)]
    await asyncio.sleep(0)
    begun_beside = source.begun

    source.turns.release()
    source.turns.release()

    assert await asyncio.gather(*first, *later) == [1, 1, 1, 2, 2, 2]
    assert begun_beside == 1


async def test_one_who_goes_away_takes_nothing_from_the_others() -> None:
    source = Source()
    shared = SharedReading(source.read)
    leaving, staying = (asyncio.create_task(shared.result()) for _ in range(2))
    await until_begun(source, 1)
    leaving.cancel()

    source.turns.release()

    assert await staying == 1
    assert leaving.cancelled()


async def test_all_hear_of_a_failure_and_the_next_reading_is_a_new_one() -> None:
    source = Source()
    source.begun = 2
    shared = SharedReading(source.read)
    source.turns.release()
    source.turns.release()

    failed = await asyncio.gather(shared.result(), shared.result(), return_exceptions=True)

    assert [type(one) for one in failed] == [LookupError, LookupError]
    assert await shared.result() == 4
