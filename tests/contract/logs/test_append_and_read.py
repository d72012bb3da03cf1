"""What every log promises to those who append and to those who read."""

import asyncio
from collections.abc import Sequence

import pytest

from logs.log import Log, LogOutage, Origin, Outgoing, Position, RecordsLost, RecordTooLarge
from tests.contract.logs.under_test import (
    LogHost,
    Owner,
    numbered,
    positions_of,
    read_from,
    take,
    value_of,
)


async def test_records_come_back_as_they_were_appended(log: Log) -> None:
    origin = Origin("rooms/Input/0", 7)

    [position] = await log.append("Numbers", [Outgoing("ключ", b"\x00value\xff", origin)])

    reader = await log.tail("Numbers", {0: 0})
    [record] = await take(reader, 1)
    await reader.close()
    assert (record.partition, record.offset) == position == Position(0, 0)
    assert (record.key, record.value, record.origin) == ("ключ", b"\x00value\xff", origin)
    assert record.timestamp_ms > 1_600_000_000_000


async def test_appending_nothing_gives_no_positions(log: Log) -> None:
    assert list(await log.append("Numbers", [])) == []
    assert await log.bounds("Numbers") == {0: (0, 0)}


async def test_offsets_count_up_without_holes(log: Log) -> None:
    first = await log.append("Numbers", numbered(1, 2, 3))
    second = await log.append("Numbers", numbered(4, 5))

    assert [position.offset for position in [*first, *second]] == [0, 1, 2, 3, 4]
    assert await log.bounds("Numbers") == {0: (0, 5)}


async def test_calls_made_one_after_another_without_waiting_keep_their_order(log: Log) -> None:
    calls = [
        asyncio.create_task(log.append("Numbers", numbered(2 * turn, 2 * turn + 1)))
        for turn in range(50)
    ]
    await asyncio.gather(*calls)

    reader = await log.tail("Numbers", {0: 0})
    records = await take(reader, 100)
    await reader.close()
    assert [value_of(record) for record in records] == list(range(100))


async def test_equal_keys_share_a_partition_and_keep_their_order(log: Log) -> None:
    keys = [f"!room{number}:example.org" for number in range(20)]
    records = [record for turn in range(5) for key in keys for record in numbered(turn, key=key)]

    positions = await log.append("Spread", records)

    reader = await log.tail("Spread", dict.fromkeys(range(4), 0))
    found = await take(reader, 100)
    await reader.close()
    for key in keys:
        mine = [record for record in found if record.key == key]
        assert {record.partition for record in mine} == {log.partition_of("Spread", key)}
        assert [value_of(record) for record in mine] == [0, 1, 2, 3, 4]
    assert len({record.partition for record in found}) == log.partition_count("Spread") == 4
    by_position = {(record.partition, record.offset): record for record in found}
    for outgoing, position in zip(records, positions, strict=True):
        assert by_position[position].key == outgoing.key
        assert by_position[position].value == outgoing.value


async def test_every_log_gives_a_key_the_same_partition(log: Log) -> None:
    places = [log.partition_of("Spread", f"!room{number}:example.org") for number in range(8)]

    assert places == [1, 2, 2, 0, 2, 2, 1, 3]


async def test_a_record_over_the_limit_is_refused_and_nothing_is_appended(log: Log) -> None:
    too_large = Outgoing("alice", b"x" * log.max_record_bytes)

    with pytest.raises(RecordTooLarge):
        await log.append("Numbers", [*numbered(1), too_large])

    assert await log.bounds("Numbers") == {0: (0, 0)}


async def test_a_record_at_the_limit_is_taken(log: Log) -> None:
    largest = Outgoing("alice", b"x" * (log.max_record_bytes - 5))

    await log.append("Numbers", [largest, *numbered(2)])

    reader = await log.tail("Numbers", {0: 0})
    records = await take(reader, 2)
    await reader.close()
    assert records[0].value == largest.value


async def test_a_tail_without_a_start_sees_only_what_comes_after(log: Log) -> None:
    await log.append("Spread", numbered(1, 2))

    reader = await log.tail("Spread")
    await log.append("Spread", numbered(3))

    records = await take(reader, 1)
    await reader.close()
    assert [value_of(record) for record in records] == [3]


async def test_a_tail_can_start_in_the_middle(log: Log) -> None:
    await log.append("Numbers", numbered(*range(10)))

    reader = await log.tail("Numbers", {0: 6})
    records = await take(reader, 4)
    await reader.close()

    assert [value_of(record) for record in records] == [6, 7, 8, 9]


async def test_a_reader_sees_a_record_no_later_than_its_append_returns(log: Log) -> None:
    reader = await log.tail("Numbers")
    positions: list[Position] = []

    async def follow() -> Sequence[Position]:
        return positions_of(await take(reader, 30))

    following = asyncio.create_task(follow())
    for value in range(30):
        positions += await log.append("Numbers", numbered(value))

    assert await following == positions
    await reader.close()


async def test_what_was_appended_is_there_after_the_log_is_opened_again(host: LogHost) -> None:
    log = await host.open()
    await log.append("Spread", numbered(1, 2, 3))
    before = await log.bounds("Spread")
    generation = log.generation
    await host.close()

    log = await host.open()

    assert await log.bounds("Spread") == before
    assert log.generation == generation
    reader = await log.tail("Spread", dict.fromkeys(range(4), 0))
    assert [value_of(record) for record in await take(reader, 3)] == [1, 2, 3]
    await reader.close()


async def test_trimmed_records_are_gone_and_the_rest_stays(log: Log) -> None:
    padding = "p" * 3000
    for value in range(100):
        await log.append("Numbers", numbered(value, key=padding))

    await log.trim("Numbers", {0: 90})

    first, end = (await log.bounds("Numbers"))[0]
    assert 0 < first <= 90
    assert end == 100
    reader = await log.tail("Numbers", {0: first})
    values = [value_of(record) for record in await take(reader, end - first)]
    await reader.close()
    assert values == list(range(first, end))


async def test_a_member_whose_position_was_trimmed_hears_that_records_are_lost(log: Log) -> None:
    for value in range(100):
        await log.append("Numbers", numbered(value, key="p" * 3000))
    await log.trim("Numbers", {0: 100})

    member = await log.subscribe("Numbers", "readers", Owner())

    with pytest.raises(RecordsLost):
        await read_from(member, 1)
    await member.close()


async def test_a_member_whose_position_is_past_the_end_hears_that_records_are_lost(
    log: Log,
) -> None:
    await log.append("Numbers", numbered(1))
    owner = Owner()
    owner.places[0] = 50

    member = await log.subscribe("Numbers", "readers", owner)

    with pytest.raises(RecordsLost):
        await read_from(member, 1)
    await member.close()


async def test_trimming_past_the_end_trims_to_the_end(log: Log) -> None:
    await log.append("Numbers", numbered(1, 2))

    await log.trim("Numbers", {0: 1000})

    assert (await log.bounds("Numbers"))[0][1] == 2
    assert list(await log.append("Numbers", numbered(3))) == [Position(0, 2)]


async def test_each_append_is_observed(log: Log) -> None:
    heard: list[tuple[str, int, str]] = []

    def observe(topic: str, records: int, seconds: float, outage: str) -> None:
        assert seconds > 0
        heard.append((topic, records, outage))

    log.observe_appends(observe)
    await log.append("Numbers", numbered(1, 2))
    await log.append("Derived", numbered(3))

    assert heard == [("Numbers", 2, ""), ("Derived", 1, "")]


async def test_a_reader_can_be_closed_before_it_has_read(log: Log) -> None:
    reader = await log.tail("Numbers")

    await reader.close()

    with pytest.raises(LogOutage):
        await reader.read()
