"""Claims at the same time: each one-time key is given once, and the fallback key only after all."""

import asyncio
from collections import Counter
from functools import partial
from operator import eq
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logs.embedded import EmbeddedLog
from logs.records.key_changes import KeyCountsChanged
from tests.component.keyserver.keyserver_house import (
    ALICE,
    BOB,
    V3,
    Device,
    DevicesOfTest,
    House,
    running_house,
)


async def test_two_replicas_never_give_a_key_twice(
    house: House, log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    alice, tablet = await house.login(ALICE, "PHONE"), await house.login(ALICE, "TAB", number=2)
    bob = await house.login(BOB, "LAPTOP")
    names = [f"{number}" for number in range(20)]
    for device in (alice, tablet):
        await device.upload(
            device_keys=device.keys(),
            one_time_keys=device.one_time_keys(*names),
            fallback_keys=device.one_time_keys("fallback", fallback=True),
        )

    async with running_house(log, database_url, users) as other:
        claims = [
            (house if number % 2 else other).claim(bob, *((alice, tablet)[:: number % 3 - 1 or 1]))
            for number in range(30)
        ]
        found = await asyncio.gather(*claims)

    for device in (alice, tablet):
        given_keys = Counter(name for one in found for name in one[ALICE].get(device.device_id, {}))
        assert given_keys.pop("signed_curve25519:fallback") == 10
        assert given_keys == {f"signed_curve25519:{name}": 1 for name in names}
        last = KeyCountsChanged(ALICE, device.device_id, {"signed_curve25519": 0}, [])
        records = await house.records(partial(eq, last))
        counts = [
            one.one_time_keys["signed_curve25519"]
            for one in records
            if isinstance(one, KeyCountsChanged) and one.device_id == device.device_id
        ]
        assert counts == [*range(20, -1, -1), 0]


async def test_an_upload_that_is_repeated_does_not_bring_back_what_was_claimed_meanwhile(
    house: House, log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    body = {"device_keys": alice.keys(), "one_time_keys": alice.one_time_keys("a", "b")}
    await alice.upload(**body)
    async with running_house(log, database_url, users) as other:
        first = await other.claim(bob, alice)

        repeated = await alice.upload(**body)

        assert repeated.json == {"one_time_key_counts": {"signed_curve25519": 1}}
        second = await other.claim(bob, alice)
        assert first[ALICE]["PHONE"] == alice.one_time_keys("a")
        assert second[ALICE]["PHONE"] == alice.one_time_keys("b")
        assert await other.claim(bob, alice) == {}
    another = alice.one_time_keys("a", fallback=False)
    await alice.upload(one_time_keys=another)
    assert (await house.claim(bob, alice))[ALICE]["PHONE"] == another


async def test_a_device_with_other_identity_keys_may_have_the_same_one_time_keys(
    house: House,
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    keys = {"curve25519:a": "key"}
    await alice.upload(device_keys=alice.keys(), one_time_keys=keys)
    wanted = {"one_time_keys": {ALICE: {"PHONE": "curve25519"}}}
    given = {ALICE: {"PHONE": keys}}
    claimed = await bob.client.post(f"{V3}/keys/claim", wanted)
    other = Device(house, ALICE, "PHONE", 2)

    await alice.upload(device_keys=other.keys(), one_time_keys=keys)

    again = await bob.client.post(f"{V3}/keys/claim", wanted)
    assert [one.json["one_time_keys"] for one in (claimed, again)] == [given, given]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("upload"), st.lists(st.integers(0, 15), unique=True, max_size=4)),
        st.tuples(st.just("fallback"), st.integers(0, 3)),
        st.tuples(st.just("claims"), st.integers(1, 4)),
    ),
    max_size=12,
)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=_STEPS)
async def test_claims_and_uploads_are_those_of_a_set_of_keys(
    house: House, log: EmbeddedLog, database_url: str, users: DevicesOfTest, steps: Any
) -> None:
    number = 1 + max((one for one in users.numbers.values()), default=0)
    device = await house.login(ALICE, f"D{number}", number=number)
    await device.upload(device_keys=device.keys())
    waiting: list[str] = []
    had: set[str] = set()
    fallback: str | None = None
    async with running_house(log, database_url, users) as other:
        for kind, what in steps:
            if kind == "upload":
                names = [f"k{one}" for one in what]
                await device.upload(one_time_keys=device.one_time_keys(*names))
                # A repeated upload brings nothing back.
                waiting += [name for name in names if name not in had]
                had.update(names)
            elif kind == "fallback":
                fallback = f"f{what}"
                await device.upload(fallback_keys=device.one_time_keys(fallback, fallback=True))
            else:
                found = await asyncio.gather(
                    *((house, other)[one % 2].claim(device, device) for one in range(what))
                )
                names = [
                    name.partition(":")[2]
                    for one in found
                    for keys in one.get(ALICE, {}).values()
                    for name in keys
                ]
                taken, waiting = waiting[:what], waiting[what:]
                rest = [fallback] * (what - len(taken)) if fallback else []
                assert sorted(names) == sorted([*taken, *rest])
        counts = (await device.upload()).json["one_time_key_counts"]
    assert counts == {"signed_curve25519": len(waiting)}
