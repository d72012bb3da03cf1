"""Reading beside the consumers: damage is passed over, outages and losses are lived through."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from logs.log import Log, LogDamaged, LogOutage, Outgoing, Record, RecordsLost, Tail
from logs.tail_reader import Decoding, TailReader
from tests.contract.logs.ledger import UnreliableLog
from tests.contract.logs.under_test import NUMBERS, Number, numbered

DAMAGED = {
    "no record": b"\xff\x00rubbish",
    "nothing": b"",
    "another type": msgspec.msgpack.encode(["a", "b"]),
    "too large a number": b"\x81\xa5value\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    "too deep": b"\x82\xa5value\x01\xa1x" + b"\x91" * 100_000,
}


class Heard:
    """What a reader was told, in order."""

    def __init__(self) -> None:
        self.story: list[int | str] = []
        self._changed = asyncio.Event()

    def take(self, records: Sequence[tuple[Record, Number | None]]) -> None:
        self.story += ["damaged" if value is None else value.value for _, value in records]
        self._changed.set()

    def begin(self) -> None:
        self.story.append("begins")
        self._changed.set()

    def pause(self) -> None:
        self.story.append("pauses")

    async def until(self, last: int | str, times: int = 1) -> None:
        async with asyncio.timeout(30):
            while self.story.count(last) < times:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def reading(log: Log, heard: Heard) -> AsyncIterator[TailReader[Number]]:
    """Read meanwhile."""
    reader = TailReader(
        log, Decoding("test", NUMBERS), heard.take, begin=heard.begin, pause=heard.pause
    )
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


class FailingTails(UnreliableLog):
    """A log whose readers fail when they have read something, once for each failure."""

    def __init__(self, log: Log, *failures: Exception) -> None:
        super().__init__(log)
        self.failures = list(failures)

    async def tail(self, topic: str, start: Mapping[int, int] | None = None) -> Tail:
        return _FailingTail(await super().tail(topic, start), self.failures)


class _FailingTail:
    def __init__(self, tail: Tail, failures: list[Exception]) -> None:
        self._tail = tail
        self._failures = failures
        self._has_read = False

    async def read(self) -> Sequence[Record]:
        if self._has_read and self._failures:
            raise self._failures.pop(0)
        self._has_read = True
        return await self._tail.read()

    async def close(self) -> None:
        await self._tail.close()


@pytest.mark.parametrize("value", DAMAGED.values(), ids=DAMAGED.keys())
async def test_a_damaged_record_is_counted_and_passed_over(log: Log, value: bytes) -> None:
    heard = Heard()
    async with reading(log, heard) as reader:
        await heard.until("begins")
        await log.append("Numbers", [*numbered(1), Outgoing("alice", value), *numbered(2)])
        await heard.until(2)
        [counted] = reader.readings()

    assert heard.story == ["begins", 1, "damaged", 2, "pauses"]
    assert counted.labels == ("test", "Numbers")
    assert counted.value == 1


async def test_after_an_outage_it_goes_on_where_it_was(log: Log) -> None:
    failing = FailingTails(log, LogOutage("away"))
    heard = Heard()
    async with reading(failing, heard):
        await heard.until("begins")
        await log.append("Numbers", numbered(1))
        await heard.until("begins", times=2)
        await log.append("Numbers", numbered(2))
        await heard.until(2)

    assert heard.story == ["begins", 1, "pauses", "begins", 2, "pauses"]


@pytest.mark.parametrize("loss", [RecordsLost("dropped"), LogDamaged("damaged")])
async def test_where_the_log_has_lost_its_place_it_begins_again(log: Log, loss: Exception) -> None:
    failing = FailingTails(log, loss)
    heard = Heard()
    async with reading(failing, heard):
        await heard.until("begins")
        await log.append("Numbers", numbered(1))
        await heard.until("begins", times=2)
        await log.append("Numbers", numbered(2))
        await heard.until(2)

    assert heard.story == ["begins", 1, "pauses", "begins", 2, "pauses"]
