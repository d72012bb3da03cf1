"""Static membership: who comes back soon under the same name has moved no partitions."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from logs.kafka.log import KafkaLog
from logs.kafka.settings import KafkaLogSettings
from logs.log import Record
from tests.contract.logs.test_groups import reading
from tests.contract.logs.under_test import SPREAD, Owner, numbered

pytestmark = pytest.mark.kafka


async def open_log(address: str, instance_id: str, prefix: str) -> KafkaLog:
    settings = KafkaLogSettings(
        bootstrap_servers=[address],
        topic_prefix=prefix,
        session_timeout_s=30,
        heartbeat_s=0.1,
        instance_id=instance_id,
    )
    log = await KafkaLog.connect(settings)
    await log.ensure_topics([SPREAD], {"Spread": 4})
    return log


async def test_a_member_that_comes_back_soon_gets_its_partitions_and_disturbs_nobody(
    kafka_broker: str,
) -> None:
    story: list[str] = []
    alice, bob, bob_again = Owner("alice", story), Owner("bob", story), Owner("bob", story)
    async with AsyncExitStack() as stack:
        first = await open_log(kafka_broker, "alice", "static.")
        stack.push_async_callback(first.close)
        found: list[Record] = []
        member = await first.subscribe("Spread", "readers", alice)
        stack.push_async_callback(member.close)
        await stack.enter_async_context(reading(member, found))
        await alice.wait_until_owning(4)
        second = await open_log(kafka_broker, "bob", "static.")
        leaving = await second.subscribe("Spread", "readers", bob)
        async with reading(leaving, []):
            await bob.wait_until_owning(2)
            await alice.wait_until_owning(2)
        bobs, alices = set(bob.owned), set(alice.owned)

        await leaving.close()
        await second.close()
        before = len(story)
        third = await open_log(kafka_broker, "bob", "static.")
        stack.push_async_callback(third.close)
        back = await third.subscribe("Spread", "readers", bob_again)
        stack.push_async_callback(back.close)
        await stack.enter_async_context(reading(back, []))
        await bob_again.wait_until_owning(2)
        keys = [f"user{number}" for number in range(12)]
        for key in keys:
            await first.append("Spread", numbered(1, key=key))
        mine = [key for key in keys if first.partition_of("Spread", key) in alices]
        async with asyncio.timeout(30):
            while len(found) < len(mine):  # noqa: ASYNC110 (it reads beside)
                await asyncio.sleep(0.01)

        assert bob_again.owned == bobs
        assert alice.owned == alices
        assert not [line for line in story[before:] if line.startswith("alice")]
