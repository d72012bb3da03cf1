"""Keys that devices upload, as others see them."""

from functools import partial
from operator import eq
from typing import Any

import pytest

from base.database import open_database
from components.keyserver.assembly import SCHEMA, KeyHistoryReader
from logs.records.client_data import AccountStatusChanged, DeviceChanged, TokensRevoked
from logs.records.key_changes import DeviceKeysChanged, KeyCountsChanged
from logs.topics import OUTPUT_KEY_CHANGE
from matrix.canonical import decode_json
from tests.component.keyserver.keyserver_house import (
    ALICE,
    BOB,
    Device,
    DevicesOfTest,
    House,
    running_house,
)


async def test_identity_keys_are_shown_with_the_name_of_the_device(house: House) -> None:
    alice = await house.login(ALICE, "PHONE", name="Telephone")
    bob = await house.login(BOB, "LAPTOP")

    answer = await alice.upload(device_keys=alice.keys())

    assert answer.json == {"one_time_key_counts": {"signed_curve25519": 0}}
    found = await house.query(bob, ALICE, BOB, "@carol:elsewhere.test")
    assert found["device_keys"] == {
        ALICE: {"PHONE": {**alice.keys(), "unsigned": {"device_display_name": "Telephone"}}},
        BOB: {},
    }
    assert list(found["failures"]) == ["elsewhere.test"]
    records = await house.records(lambda one: isinstance(one, KeyCountsChanged))
    keys, counts = records
    assert isinstance(keys, DeviceKeysChanged)
    assert keys.keys is not None
    assert decode_json(keys.keys) == alice.keys()
    assert counts == KeyCountsChanged(ALICE, "PHONE", {"signed_curve25519": 0}, [])


async def test_only_the_devices_that_are_asked_for_are_shown(house: House) -> None:
    phone, laptop = await house.login(ALICE, "PHONE"), await house.login(ALICE, "LAPTOP", number=2)
    for one in (phone, laptop):
        await one.upload(device_keys=one.keys())

    answer = await phone.client.post(
        "/_matrix/client/r0/keys/query", {"device_keys": {ALICE: ["LAPTOP", "NONE"]}}
    )

    assert answer.json["device_keys"] == {ALICE: {"LAPTOP": laptop.keys()}}


async def test_one_time_keys_are_given_in_the_order_of_their_upload_and_then_the_fallback_key(
    house: House,
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await alice.upload(device_keys=alice.keys(), one_time_keys=alice.one_time_keys("z", "b"))
    fallback = alice.one_time_keys("last", fallback=True)
    counted = await alice.upload(one_time_keys=alice.one_time_keys("a"), fallback_keys=fallback)

    given = [(await house.claim(bob, alice))[ALICE]["PHONE"] for _ in range(5)]

    assert counted.json == {"one_time_key_counts": {"signed_curve25519": 3}}
    one_time_keys = [alice.one_time_keys(name) for name in ("z", "b", "a")]
    assert given == [*one_time_keys, fallback, fallback]
    used = KeyCountsChanged(ALICE, "PHONE", {"signed_curve25519": 0}, [])
    records = await house.records(lambda one: one == used)
    counts = [
        (one.one_time_keys["signed_curve25519"], one.unused_fallback_types)
        for one in records
        if isinstance(one, KeyCountsChanged)
    ]
    unused = ["signed_curve25519"]
    assert counts[:5] == [(2, []), (3, unused), (2, unused), (1, unused), (0, unused)]
    assert counts[5] == (0, [])


async def test_a_new_fallback_key_replaces_the_one_before_and_the_same_one_changes_nothing(
    house: House,
) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    first, second = (alice.one_time_keys(name, fallback=True) for name in ("1", "2"))
    await alice.upload(device_keys=alice.keys(), fallback_keys=first)
    assert (await house.claim(bob, alice))[ALICE]["PHONE"] == first

    await alice.upload(fallback_keys=first)
    await alice.upload(fallback_keys=second)

    assert (await house.claim(bob, alice))[ALICE]["PHONE"] == second
    unused = [
        one.unused_fallback_types
        for one in await house.records(
            lambda one: (
                isinstance(one, KeyCountsChanged)
                and one.unused_fallback_types == ["signed_curve25519"]
            )
        )
        if isinstance(one, KeyCountsChanged)
    ]
    assert unused[:3] == [["signed_curve25519"], [], ["signed_curve25519"]]


async def test_a_device_without_keys_is_missing_in_what_is_claimed(house: House) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await alice.upload(device_keys=alice.keys())

    assert await house.claim(bob, alice, Device(house, ALICE, "NONE", 1)) == {}


async def test_a_one_time_key_can_be_uploaded_again_but_not_changed(house: House) -> None:
    alice = await house.login(ALICE, "PHONE")
    keys = alice.one_time_keys("a")
    await alice.upload(device_keys=alice.keys(), one_time_keys=keys)
    changed = {"signed_curve25519:a": alice.sign({"key": "other"})}

    again = await alice.upload(one_time_keys=keys)
    refused = await alice.upload(one_time_keys={**alice.one_time_keys("b"), **changed})

    assert again.json == {"one_time_key_counts": {"signed_curve25519": 1}}
    assert (refused.status, refused.errcode) == (400, "M_INVALID_PARAM")
    assert (await alice.upload()).json == {"one_time_key_counts": {"signed_curve25519": 1}}


def _unsigned(keys: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in keys.items() if name != "signatures"}


async def test_what_is_not_signed_by_the_device_is_refused(house: House) -> None:
    alice, mallory = await house.login(ALICE, "PHONE"), Device(house, ALICE, "PHONE", 7)
    await alice.upload(device_keys=alice.keys())
    for body, errcode in (
        ({"device_keys": alice.keys(device_id="OTHER")}, "M_INVALID_PARAM"),
        ({"device_keys": alice.keys(user_id=BOB)}, "M_INVALID_PARAM"),
        ({"device_keys": {**alice.keys(), "algorithms": ["changed"]}}, "M_INVALID_SIGNATURE"),
        ({"device_keys": _unsigned(alice.keys())}, "M_BAD_JSON"),
        ({"device_keys": alice.keys(keys={})}, "M_INVALID_PARAM"),
        ({"device_keys": alice.keys(algorithms="none")}, "M_BAD_JSON"),
        ({"one_time_keys": mallory.one_time_keys("a")}, "M_INVALID_SIGNATURE"),
        ({"fallback_keys": mallory.one_time_keys("a")}, "M_INVALID_SIGNATURE"),
        ({"one_time_keys": {"signed_curve25519:a": "unsigned"}}, "M_BAD_JSON"),
        ({"one_time_keys": {"nameless": "key"}}, "M_INVALID_PARAM"),
        ({"one_time_keys": {"curve25519:\0": "key"}}, "M_INVALID_PARAM"),
        ({"one_time_keys": {"curve25519:a": 5}}, "M_BAD_JSON"),
    ):
        refused = await alice.upload(**body)
        assert (refused.status, refused.errcode) == (400, errcode), body

    assert (await house.query(alice, ALICE))["device_keys"] == {ALICE: {"PHONE": alice.keys()}}
    assert (await alice.upload()).json == {"one_time_key_counts": {"signed_curve25519": 0}}


async def test_too_many_or_too_large_keys_are_refused(
    house: House, database_url: str, users: DevicesOfTest
) -> None:
    async with running_house(
        house.log,
        database_url,
        users,
        keys_per_upload_max=3,
        one_time_keys_per_device_max=4,
        key_bytes_max=100,
    ) as bounded:
        alice = await bounded.login(ALICE, "PHONE", is_told=False)
        assert (await alice.upload(device_keys=alice.keys())).status == 413
        assert (await alice.upload(one_time_keys={"a:1": "k", "a:2": "k"})).status == 200
        too_many = {f"a:{number}": "k" for number in range(3, 7)}
        assert (await alice.upload(one_time_keys=too_many)).errcode == "M_TOO_LARGE"
        del too_many["a:3"]
        assert (await alice.upload(one_time_keys=too_many)).errcode == "M_TOO_LARGE"

        counts = (await alice.upload()).json["one_time_key_counts"]
        assert counts == {"a": 2, "signed_curve25519": 0}


async def test_the_keys_of_a_removed_device_go_and_it_can_upload_none(house: House) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await alice.upload(device_keys=alice.keys(), one_time_keys=alice.one_time_keys("a"))

    await house.logout(alice)

    late = await alice.upload(device_keys=alice.keys())
    assert (late.status, late.errcode) == (401, "M_UNKNOWN_TOKEN")
    assert (await house.query(bob, ALICE))["device_keys"] == {ALICE: {}}
    assert await house.claim(bob, alice) == {}
    gone = DeviceKeysChanged(ALICE, "PHONE", None)
    assert gone in await house.records(lambda one: one == gone)


async def test_an_upload_before_the_device_is_told_of_ends_with_it(house: House) -> None:
    alice = await house.login(ALICE, "PHONE", is_told=False)
    assert (await alice.upload(device_keys=alice.keys())).status == 200

    await house.tell(DeviceChanged(ALICE, "PHONE", 1, "Telephone"))

    shown = (await house.query(alice, ALICE))["device_keys"][ALICE]["PHONE"]
    assert shown["unsigned"] == {"device_display_name": "Telephone"}
    await house.logout(alice)
    assert (await house.query(alice, ALICE))["device_keys"] == {ALICE: {}}


async def test_a_device_with_the_id_of_a_removed_one_begins_without_keys(house: House) -> None:
    before = await house.login(ALICE, "PHONE")
    await before.upload(device_keys=before.keys(), one_time_keys=before.one_time_keys("a"))
    await house.login(ALICE, "PHONE", number=2, is_told=False)
    after = Device(house, ALICE, "PHONE", 2)

    counted = await after.upload(one_time_keys={"curve25519:b": "key"})
    gone = DeviceKeysChanged(ALICE, "PHONE", None)
    assert gone in await house.records(lambda one: one == gone)
    await house.tell(
        TokensRevoked(ALICE, "PHONE", removed_up_to=1), DeviceChanged(ALICE, "PHONE", 2)
    )

    assert counted.json == {"one_time_key_counts": {"curve25519": 1, "signed_curve25519": 0}}
    assert (await after.upload()).json == counted.json
    assert (await house.query(after, ALICE))["device_keys"] == {ALICE: {}}
    late = await before.upload(device_keys=before.keys())
    assert (late.status, late.errcode) == (401, "M_UNKNOWN_TOKEN")


async def test_a_device_that_was_never_told_of_is_asked_for(house: House) -> None:
    old = await house.login(ALICE, "OLD", number=0, is_told=False)
    await house.login(ALICE, "PHONE", number=3)

    assert (await old.upload(device_keys=old.keys())).status == 200

    del house.users.numbers[ALICE, "OLD"]
    await house.tell(TokensRevoked(ALICE, None, removed_up_to=3))
    late = await old.upload(device_keys=old.keys())
    assert (late.status, late.errcode) == (401, "M_UNKNOWN_TOKEN")
    assert (await house.query(old, ALICE))["device_keys"] == {ALICE: {}}


async def test_new_identity_keys_end_what_was_signed_with_the_former_ones(house: House) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await alice.upload(device_keys=alice.keys(), one_time_keys=alice.one_time_keys("a"))
    other = Device(house, ALICE, "PHONE", 2)
    body = {"device_keys": other.keys(), "one_time_keys": other.one_time_keys("b")}

    counted = await alice.upload(**body)

    assert counted.json == {"one_time_key_counts": {"signed_curve25519": 1}}
    assert (await house.claim(bob, alice))[ALICE]["PHONE"] == other.one_time_keys("b")


async def test_a_deactivated_user_has_no_keys(house: House) -> None:
    alice, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await alice.upload(device_keys=alice.keys())

    await house.tell(
        TokensRevoked(ALICE, None, removed_up_to=1),
        AccountStatusChanged(
            ALICE, is_deactivated=True, is_erased=False, is_locked=False, is_suspended=False
        ),
    )

    assert (await house.query(bob, ALICE))["device_keys"] == {ALICE: {}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("query", {}),
        ("query", {"device_keys": {ALICE: "PHONE"}}),
        ("query", {"device_keys": {"alice": []}}),
        ("claim", {}),
        ("claim", {"one_time_keys": {ALICE: ["PHONE"]}}),
        ("claim", {"one_time_keys": {ALICE: {"PHONE": 5}}}),
        ("upload", {"one_time_keys": []}),
    ],
)
async def test_a_malformed_question_is_refused(house: House, path: str, body: Any) -> None:
    alice = await house.login(ALICE, "PHONE")

    answer = await alice.client.post(f"/_matrix/client/v3/keys/{path}", body)

    assert answer.status == 400


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
async def test_the_history_has_what_still_holds_of_all_that_was_announced(
    house: House, database_url: str, limit: int
) -> None:
    phone, laptop = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    gone = await house.login(ALICE, "GONE", number=2)
    for one in (phone, gone, laptop):
        await one.upload(device_keys=one.keys(), one_time_keys=one.one_time_keys("a", "b"))
    await house.claim(phone, laptop)
    await house.logout(gone)
    database = await open_database(database_url, SCHEMA, durable=True)
    found: list[Any] = []
    place: list[str] | None = []
    while place is not None:
        page = await KeyHistoryReader(database).query_key_changes(after=place, limit=limit)
        found += [OUTPUT_KEY_CHANGE.decode(record) for record in page.records]
        place = page.next_place
    await database.close()

    announced = await house.records(partial(eq, DeviceKeysChanged(ALICE, "GONE", None)))
    held = {(type(one), one.user_id, getattr(one, "device_id", None)): one for one in announced}
    expected = [one for (_, _, device_id), one in held.items() if device_id != "GONE"]
    assert sorted(map(str, found)) == sorted(map(str, expected))
