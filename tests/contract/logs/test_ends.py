"""The ends of topics: what was appended before the question lies in front of them."""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import pytest

from logs.kafka.ends import EndLookups
from logs.log import Log, LogOutage
from tests.contract.logs.under_test import numbered


async def test_the_ends_of_several_topics_are_told_at_once(log: Log) -> None:
    await log.append("Numbers", numbered(1, 2, 3))
    placed = await log.append("Spread", numbered(*range(20)))

    ends = await log.ends(["Numbers", "Spread"])

    assert list(ends["Numbers"]) == [3]
    in_front = [0] * log.partition_count("Spread")
    for partition, offset in placed:
        in_front[partition] = max(in_front[partition], offset + 1)
    assert list(ends["Spread"]) == in_front


async def test_an_appended_record_is_in_front_of_every_end_that_is_asked_for_afterwards(
    log: Log,
) -> None:
    async def write(number: int) -> None:
        for _ in range(10):
            [position] = await log.append("Numbers", numbered(number))
            assert (await log.ends(["Numbers"]))["Numbers"][0] > position.offset

    await asyncio.gather(*map(write, range(20)))


class Broker:
    """Answers one question after the other, when it is told to."""

    def __init__(self) -> None:
        self.asked: list[AbstractSet[str]] = []
        self.fails = False
        self._may_answer = asyncio.Semaphore(0)

    async def ask(self, topics: AbstractSet[str]) -> Mapping[str, Sequence[int]]:
        self.asked.append(topics)
        end = len(self.asked)
        await self._may_answer.acquire()
        if self.fails:
            raise LogOutage("away")
        return {topic: [end] for topic in topics}

    def answer(self) -> None:
        self._may_answer.release()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_while_a_question_is_under_way_shares_the_next_one() -> None:
    broker = Broker()
    lookups = EndLookups(broker.ask)
    first = asyncio.create_task(lookups.ends(["A"]))
    await settle()

    later = [asyncio.create_task(lookups.ends([topic])) for topic in "ABBA"]
    await settle()
    assert broker.asked == [{"A"}]
    broker.answer()
    broker.answer()

    assert await first == {"A": [1]}
    assert await asyncio.gather(*later) == [{"A": [2], "B": [2]}] * 4
    assert broker.asked == [{"A"}, {"A", "B"}]


async def test_an_outage_is_told_to_all_who_waited_and_ends_with_it() -> None:
    broker = Broker()
    lookups = EndLookups(broker.ask)
    broker.fails = True
    waiting = [asyncio.create_task(lookups.ends(["A"])) for _ in range(2)]
    gone = asyncio.create_task(lookups.ends(["A"]))
    await settle()
    gone.cancel()
    broker.answer()

    for one in waiting:
        with pytest.raises(LogOutage):
            await one
    broker.fails = False
    broker.answer()
    assert await lookups.ends(["A"]) == {"A": [2]}
    await lookups.close()
