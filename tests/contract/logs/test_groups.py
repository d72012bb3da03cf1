"""Members of a group share the partitions, and hand them over one at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from logs.log import Log, Position, Record, Subscription
from tests.contract.logs.under_test import LogHost, Owner, numbered, read_from, value_of

KEYS = [f"user{number}" for number in range(12)]


@asynccontextmanager
async def reading(member: Subscription, found: list[Record]) -> AsyncIterator[None]:
    """Read as a consumer would, meanwhile."""

    async def read() -> None:
        while True:
            batch = await member.read(max_records=10)
            found.extend(record for records in batch.values() for record in records)

    task = asyncio.create_task(read())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_member_alone_reads_all_partitions(log: Log) -> None:
    for key in KEYS:
        await log.append("Spread", numbered(1, key=key))

    owner = Owner()
    member = await log.subscribe("Spread", "readers", owner)
    records = await read_from(member, len(KEYS))

    assert {record.key for record in records} == set(KEYS)
    assert owner.owned == {0, 1, 2, 3}
    await member.close()
    assert owner.owned == set()


async def test_a_member_starts_where_its_owner_says(log: Log) -> None:
    await log.append("Numbers", numbered(*range(10)))
    owner = Owner()
    owner.places[0] = 7

    member = await log.subscribe("Numbers", "readers", owner)
    records = await read_from(member, 3)

    assert [value_of(record) for record in records] == [7, 8, 9]
    await member.close()


async def test_a_member_can_go_back(log: Log) -> None:
    await log.append("Numbers", numbered(*range(5)))
    member = await log.subscribe("Numbers", "readers", Owner())
    await read_from(member, 5)

    member.seek(Position(0, 3))

    assert [value_of(record) for record in await read_from(member, 2)] == [3, 4]
    await member.close()


async def test_a_read_gives_at_most_what_was_asked_for(log: Log) -> None:
    for key in KEYS:
        await log.append("Spread", numbered(1, 2, 3, key=key))
    member = await log.subscribe("Spread", "readers", Owner())

    async with asyncio.timeout(30):
        batch = await member.read(max_records=5)

    assert 0 < sum(len(records) for records in batch.values()) <= 5
    await member.close()


async def test_a_second_member_gets_half_and_the_first_is_told_before(host: LogHost) -> None:
    story: list[str] = []
    alice, bob = Owner("alice", story), Owner("bob", story)
    first = await (await host.open()).subscribe("Spread", "readers", alice)

    async with reading(first, []):
        await alice.wait_until_owning(4)
        second = await (await host.open()).subscribe("Spread", "readers", bob)
        async with reading(second, []):
            await bob.wait_until_owning(2)
            await alice.wait_until_owning(2)

    assert alice.owned | bob.owned == {0, 1, 2, 3}
    for partition in bob.owned:
        assert story.index(f"alice lost {partition}") < story.index(f"bob has {partition}")
    await first.close()
    await second.close()


async def test_the_partitions_of_a_member_that_leaves_go_to_the_others(host: LogHost) -> None:
    alice, bob = Owner("alice"), Owner("bob")
    log = await host.open()
    first = await log.subscribe("Spread", "readers", alice)
    found: list[Record] = []
    async with reading(first, []):
        await alice.wait_until_owning(4)
        second = await (await host.open()).subscribe("Spread", "readers", bob)
        async with reading(second, []):
            await bob.wait_until_owning(2)

    await first.close()
    async with reading(second, found):
        await bob.wait_until_owning(4)
        for key in KEYS:
            await log.append("Spread", numbered(1, key=key))

    if len(found) < len(KEYS):
        found += await read_from(second, len(KEYS) - len(found))
    assert {record.key for record in found} == set(KEYS)
    await second.close()


async def test_groups_do_not_disturb_each_other(log: Log) -> None:
    await log.append("Numbers", numbered(1, 2))

    one = await log.subscribe("Numbers", "sync", Owner())
    other = await log.subscribe("Numbers", "push", Owner())

    assert len(await read_from(one, 2)) == 2
    assert len(await read_from(other, 2)) == 2
    await one.close()
    await other.close()
