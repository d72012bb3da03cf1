"""Cross-signing keys and signatures: who may upload them, and who sees them."""

from collections.abc import Callable
from functools import partial
from operator import eq
from typing import Any

import pytest

from base.http.testing import Answer
from logs.records.key_changes import (
    CrossSigningKeysChanged,
    DeviceKeysChanged,
    UserSignaturesChanged,
)
from matrix.canonical import decode_json
from tests.component.keyserver.cross_signing_keys import CrossSigning
from tests.component.keyserver.keyserver_house import ALICE, BOB, V3, Device, House


async def upload(device: Device, **body: Any) -> Answer:
    return await device.client.post(f"{V3}/keys/device_signing/upload", body)


async def sign(device: Device, signed_keys: dict[str, dict[str, Any]]) -> Any:
    answer = await device.client.post(f"{V3}/keys/signatures/upload", signed_keys)
    assert answer.status == 200, answer.json
    return answer.json["failures"]


async def test_everybody_sees_the_master_and_self_signing_key_and_the_user_alone_the_third(
    house: House,
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    keys = CrossSigning(ALICE)

    assert (await upload(alice, **keys.body())).status == 200

    own, others = await house.query(alice, ALICE), await house.query(bob, ALICE)
    for found in (own, others):
        assert found["master_keys"] == {ALICE: {**keys.key("master"), "signatures": {}}}
        assert found["self_signing_keys"] == {ALICE: keys.key("self_signing")}
    assert own["user_signing_keys"] == {ALICE: keys.key("user_signing")}
    assert others["user_signing_keys"] == {}
    [record] = await house.records(lambda one: isinstance(one, CrossSigningKeysChanged))
    assert isinstance(record, CrossSigningKeysChanged)
    assert record.self_signing_key is not None
    assert decode_json(record.self_signing_key) == keys.key("self_signing")


async def test_the_first_keys_and_equal_ones_need_no_proof_and_others_do(house: House) -> None:
    alice = await house.login(ALICE, "PHONE")
    keys, others = CrossSigning(ALICE), CrossSigning(ALICE, 1)
    first = await upload(alice, **keys.body())

    again = await upload(alice, **keys.body())
    asked = await upload(alice, **others.body())
    proven = await upload(alice, **others.body(auth={"session": "proven"}))

    assert (first.status, again.status, asked.status, proven.status) == (200, 200, 401, 200)
    assert asked.json["flows"] == [{"stages": ["m.login.password"]}]
    shown = (await house.query(alice, ALICE))["master_keys"][ALICE]
    assert shown["keys"] == others.key("master")["keys"]


async def test_a_new_master_key_ends_what_the_former_one_signed(house: House) -> None:
    alice = await house.login(ALICE, "PHONE")
    await alice.upload(device_keys=alice.keys())
    keys, others = CrossSigning(ALICE), CrossSigning(ALICE, 1)
    await upload(alice, **keys.body())
    await sign(alice, {ALICE: {"PHONE": keys.sign("self_signing", alice.keys())}})

    await upload(alice, **others.body("master", auth={"session": "proven"}))

    found = await house.query(alice, ALICE)
    assert (found["self_signing_keys"], found["user_signing_keys"]) == ({}, {})
    assert found["device_keys"][ALICE]["PHONE"] == alice.keys()


def _badly_signed(keys: CrossSigning) -> dict[str, Any]:
    return {**keys.body(), "self_signing_key": CrossSigning(ALICE, 2).key("self_signing")}


@pytest.mark.parametrize(
    ("make", "status", "errcode"),
    [
        (lambda keys: keys.body("self_signing"), 400, "M_MISSING_PARAM"),
        (_badly_signed, 400, "M_INVALID_SIGNATURE"),
        (lambda keys: {"master_key": keys.key("self_signing")}, 400, "M_INVALID_PARAM"),
        (lambda _: CrossSigning(BOB).body(), 400, "M_INVALID_PARAM"),
        (lambda _: {"master_key": []}, 400, "M_BAD_JSON"),
    ],
)
async def test_keys_that_do_not_belong_together_are_refused(
    house: House,
    make: Callable[[CrossSigning], dict[str, Any]],
    status: int,
    errcode: str,
) -> None:
    alice = await house.login(ALICE, "PHONE")

    refused = await upload(alice, **make(CrossSigning(ALICE)))

    assert (refused.status, refused.errcode) == (status, errcode)
    assert (await house.query(alice, ALICE))["master_keys"] == {}


async def test_a_device_and_a_cross_signing_key_have_different_ids(house: House) -> None:
    keys = CrossSigning(ALICE)
    alice = await house.login(ALICE, keys.public["master"])
    other = await house.login(ALICE, keys.public["self_signing"], number=2)
    await alice.upload(device_keys=alice.keys())

    refused = await upload(alice, **keys.body())
    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")

    keys = CrossSigning(ALICE, 1)
    await upload(alice, **keys.body())
    third = await house.login(ALICE, keys.public["self_signing"], number=3)
    assert (await other.upload(device_keys=other.keys())).status == 200
    assert (await third.upload(device_keys=third.keys())).status == 403


async def test_signatures_of_devices_and_of_the_master_key_are_seen_by_everybody(
    house: House,
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await alice.upload(device_keys=alice.keys())
    keys = CrossSigning(ALICE)
    await upload(alice, **keys.body())
    by_device = alice.sign(keys.key("master"))
    by_user = keys.sign("self_signing", alice.keys())

    failures = await sign(alice, {ALICE: {"PHONE": by_user, keys.public["master"]: by_device}})

    assert failures == {}
    found = await house.query(bob, ALICE)
    assert found["master_keys"][ALICE] == by_device
    own, added = alice.keys()["signatures"][ALICE], by_user["signatures"][ALICE]
    assert found["device_keys"][ALICE]["PHONE"]["signatures"] == {ALICE: {**own, **added}}
    told = [
        one.keys
        for one in await house.records(
            lambda one: (
                isinstance(one, CrossSigningKeysChanged) and b"PHONE" in (one.master_key or b"")
            )
        )
        if isinstance(one, DeviceKeysChanged)
    ]
    assert len(told) == 2
    assert keys.public["self_signing"].encode() in (told[-1] or b"")


async def test_a_signature_of_anothers_master_key_is_seen_by_its_signer_alone(
    house: House,
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    alices, bobs = CrossSigning(ALICE), CrossSigning(BOB)
    await upload(alice, **alices.body())
    await upload(bob, **bobs.body())
    by_alice = alices.sign("user_signing", bobs.key("master"))

    assert await sign(alice, {BOB: {bobs.public["master"]: by_alice}}) == {}

    assert (await house.query(alice, BOB))["master_keys"][BOB] == by_alice
    assert (await house.query(bob, BOB))["master_keys"][BOB]["signatures"] == {}
    told = UserSignaturesChanged(ALICE, [BOB])
    assert told in await house.records(partial(eq, told))


async def test_signatures_that_may_not_be_made_fail_each_for_itself(house: House) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    for one in (alice, bob):
        await one.upload(device_keys=one.keys())
    alices, bobs = CrossSigning(ALICE), CrossSigning(BOB)
    await upload(alice, **alices.body())
    await upload(bob, **bobs.body())
    changed = {**alice.keys(), "algorithms": ["other"]}

    failures = await sign(
        alice,
        {
            ALICE: {
                "PHONE": alices.sign("self_signing", changed),
                "NONE": alices.sign("self_signing", alice.keys()),
                alices.public["master"]: alices.sign("user_signing", alices.key("master")),
                alices.public["self_signing"]: alices.sign("master", alices.key("self_signing")),
            },
            BOB: {
                "LAPTOP": alices.sign("user_signing", bob.keys()),
                bobs.public["master"]: alices.sign("self_signing", bobs.key("master")),
            },
            "@carol:elsewhere.test": {"key": {}},
        },
    )

    assert {
        user_id: {target_id: one["errcode"] for target_id, one in refused.items()}
        for user_id, refused in failures.items()
    } == {
        ALICE: {
            "PHONE": "M_INVALID_PARAM",
            "NONE": "M_NOT_FOUND",
            alices.public["master"]: "M_INVALID_SIGNATURE",
            alices.public["self_signing"]: "M_NOT_FOUND",
        },
        BOB: {"LAPTOP": "M_NOT_FOUND", bobs.public["master"]: "M_INVALID_SIGNATURE"},
        "@carol:elsewhere.test": {"key": "M_NOT_FOUND"},
    }
    assert (await house.query(alice, ALICE))["device_keys"][ALICE]["PHONE"] == alice.keys()
