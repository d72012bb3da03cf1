"""Dehydrated devices: a user has one at most, and others find its keys like those of any device."""

from typing import Any

import pytest

from base.http.testing import Answer
from logs.embedded import EmbeddedLog
from logs.records.client_data import TokensRevoked
from logs.records.key_changes import DeviceKeysChanged
from matrix.errors import Unavailable
from tests.component.keyserver.cross_signing_keys import CrossSigning
from tests.component.keyserver.keyserver_house import (
    ALICE,
    BOB,
    V3,
    Device,
    DevicesOfTest,
    House,
    running_house,
)

UNSTABLE = "/_matrix/client/unstable"
PATH = f"{UNSTABLE}/org.matrix.msc3814.v1/dehydrated_device"
NONE = (404, "M_NOT_FOUND")


def dried(house: House, device_id: str = "DRIED") -> Device:
    return Device(house, ALICE, device_id, 0)


def body_of(device: Device, *names: str, **changes: Any) -> dict[str, Any]:
    return {
        "device_id": device.device_id,
        "device_data": {"algorithm": "org.matrix.msc3814.v2", "device_pickle": device.device_id},
        "initial_device_display_name": "Dehydrated device",
        "device_keys": device.keys(dehydrated=True),
        "one_time_keys": device.one_time_keys(*names),
        "fallback_keys": device.one_time_keys("fallback", fallback=True),
        **changes,
    }


async def put(phone: Device, body: dict[str, Any]) -> Answer:
    answer = await phone.client.put(PATH, body)
    assert answer.status == 200, answer.json
    return answer


async def got(phone: Device) -> tuple[int, Any]:
    answer = await phone.client.get(PATH)
    return answer.status, answer.json["device_id"] if answer.status == 200 else answer.errcode


async def shown(house: House, reader: Device) -> Any:
    return (await house.query(reader, ALICE))["device_keys"][ALICE]


async def test_a_dehydrated_device_is_given_back_and_its_keys_are_found_and_claimed(
    house: House,
) -> None:
    phone, bob, device = (
        await house.login(ALICE, "PHONE"),
        await house.login(BOB, "LAPTOP"),
        dried(house),
    )
    before = await got(phone)

    answer = await put(phone, body_of(device, "a"))

    assert (before, answer.json) == (NONE, {"device_id": "DRIED"})
    assert (await phone.client.get(PATH)).json == {
        "device_id": "DRIED",
        "device_data": {"algorithm": "org.matrix.msc3814.v2", "device_pickle": "DRIED"},
    }
    assert await got(bob) == NONE
    keys = device.keys(dehydrated=True)
    unsigned = {"device_display_name": "Dehydrated device"}
    for _ in ("before the user API has told", "afterwards"):
        assert await shown(house, bob) == {"DRIED": {**keys, "unsigned": unsigned}}
        await house.tell(*house.users.untold)
    claimed = [(await house.claim(bob, device))[ALICE]["DRIED"] for _ in range(2)]
    fallback = device.one_time_keys("fallback", fallback=True)
    assert claimed == [device.one_time_keys("a"), fallback]
    await house.records(lambda one: isinstance(one, DeviceKeysChanged) and one.device_id == "DRIED")


async def test_the_signature_of_the_user_s_self_signing_key_is_shown_and_no_other(
    house: House,
) -> None:
    phone, bob, device = (
        await house.login(ALICE, "PHONE"),
        await house.login(BOB, "LAPTOP"),
        dried(house),
    )
    own, former = CrossSigning(ALICE), CrossSigning(ALICE, seed=1)
    await phone.client.post(f"{V3}/keys/device_signing/upload", own.body())
    signed = device.keys(dehydrated=True)
    for one in (own.sign("self_signing", signed), former.sign("self_signing", signed)):
        signed["signatures"][ALICE].update(one["signatures"][ALICE])

    await put(phone, body_of(device, device_keys=signed))

    signatures = (await shown(house, bob))["DRIED"]["signatures"][ALICE]
    by_self = f"ed25519:{own.public['self_signing']}"
    assert set(signatures) == {"ed25519:DRIED", by_self}
    assert signatures[by_self] == signed["signatures"][ALICE][by_self]
    forged = dried(house, "OTHER").keys()
    forged["signatures"][ALICE][by_self] = signatures[by_self]
    await put(phone, body_of(dried(house, "OTHER"), device_keys=forged))
    assert set((await shown(house, bob))["OTHER"]["signatures"][ALICE]) == {"ed25519:OTHER"}


@pytest.mark.parametrize("is_told", [True, False])
async def test_another_upload_replaces_the_device_and_its_keys_and_others_are_told(
    house: House, *, is_told: bool
) -> None:
    phone, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    first, second = dried(house), dried(house, "OTHER")
    await put(phone, body_of(first, "a"))
    if is_told:
        await house.tell(*house.users.untold)

    await put(phone, body_of(second, "b"))

    for _ in ("before the user API has told", "afterwards"):
        assert await got(phone) == (200, "OTHER")
        assert set(await shown(house, bob)) == {"OTHER"}
        await house.tell(*house.users.untold)
    claimed = await house.claim(bob, first, second)
    assert claimed == {ALICE: {"OTHER": second.one_time_keys("b")}}
    gone = DeviceKeysChanged(ALICE, "DRIED", None)
    records = await house.records(lambda one: one == gone)
    changed = [one.device_id for one in records if isinstance(one, DeviceKeysChanged)]
    assert changed[:3] in (["DRIED", "DRIED", "OTHER"], ["DRIED", "DRIED"])


async def test_the_same_upload_again_gives_no_key_twice(house: House) -> None:
    phone, bob, device = (
        await house.login(ALICE, "PHONE"),
        await house.login(BOB, "LAPTOP"),
        dried(house),
    )
    await put(phone, body_of(device, "a", "b"))
    first = await house.claim(bob, device)

    await put(phone, body_of(device, "a", "b"))

    second = await house.claim(bob, device)
    assert [first[ALICE]["DRIED"], second[ALICE]["DRIED"]] == [
        device.one_time_keys("a"),
        device.one_time_keys("b"),
    ]
    assert len(house.users.untold) == 1


async def test_an_upload_with_the_same_id_and_other_data_is_another_device(house: House) -> None:
    phone, bob, device = (
        await house.login(ALICE, "PHONE"),
        await house.login(BOB, "LAPTOP"),
        dried(house),
    )
    await put(phone, body_of(device, "a"))

    await put(phone, body_of(device, "b", device_data={"algorithm": "other"}))

    for _ in ("before the user API has told", "afterwards"):
        assert (await phone.client.get(PATH)).json["device_data"] == {"algorithm": "other"}
        assert set(await shown(house, bob)) == {"DRIED"}
        await house.tell(*house.users.untold)
    assert (await house.claim(bob, device))[ALICE]["DRIED"] == device.one_time_keys("b")


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_repeat_goes_on_where_a_process_died_before_it_stored_the_keys(
    house: House, *, is_told: bool
) -> None:
    async def die() -> None:
        raise Unavailable

    phone, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    first, second = dried(house), dried(house, "OTHER")
    await put(phone, body_of(first))
    house.users.after_replacing.append(die)
    broken = await phone.client.put(PATH, body_of(second))
    assert broken.status == 503
    if is_told:
        await house.tell(*house.users.untold)
        assert await shown(house, bob) == {}
    assert await got(phone) == NONE

    await put(phone, body_of(second))

    for _ in ("before the user API has told", "afterwards"):
        assert await got(phone) == (200, "OTHER")
        assert set(await shown(house, bob)) == {"OTHER"}
        await house.tell(*house.users.untold)


@pytest.mark.parametrize("is_told", [True, False])
async def test_of_two_uploads_at_once_the_one_stays_whose_device_is_newer(
    house: House, *, is_told: bool
) -> None:
    phone, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")

    async def overtake() -> None:
        await put(phone, body_of(dried(house, "OTHER")))
        if is_told:
            await house.tell(*house.users.untold)

    house.users.after_replacing.append(overtake)

    await put(phone, body_of(dried(house)))

    for _ in ("before the user API has told", "afterwards"):
        assert await got(phone) == (200, "OTHER")
        assert set(await shown(house, bob)) == {"OTHER"}
        await house.tell(*house.users.untold)


async def test_a_device_that_is_removed_before_its_keys_are_stored_has_none(house: House) -> None:
    phone, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")

    async def remove() -> None:
        assert (await phone.client.delete(PATH)).status == 200
        await house.tell(*house.users.untold)

    house.users.after_replacing.append(remove)

    await put(phone, body_of(dried(house)))

    assert await got(phone) == NONE
    assert await shown(house, bob) == {}


async def test_a_deleted_device_is_gone_at_once(house: House) -> None:
    phone, bob, device = (
        await house.login(ALICE, "PHONE"),
        await house.login(BOB, "LAPTOP"),
        dried(house),
    )
    await put(phone, body_of(device, "a"))

    deleted = await phone.client.delete(PATH)
    again = await phone.client.delete(PATH)

    assert (deleted.status, deleted.json) == (200, {"device_id": "DRIED"})
    assert (again.status, again.errcode) == NONE
    assert await got(phone) == NONE
    assert await shown(house, bob) == {}
    assert await house.claim(bob, device) == {}
    await house.records(lambda one: one == DeviceKeysChanged(ALICE, "DRIED", None))


@pytest.mark.parametrize("device_id", ["DRIED", None])
async def test_a_device_that_is_removed_like_others_is_no_dehydrated_one_any_more(
    house: House, device_id: str | None
) -> None:
    phone, bob = await house.login(ALICE, "PHONE"), await house.login(BOB, "LAPTOP")
    await put(phone, body_of(dried(house)))
    number = house.users.dehydrated.pop(ALICE).number

    at_once = await got(phone)
    await house.tell(TokensRevoked(ALICE, device_id, removed_up_to=number))

    assert at_once == NONE
    assert await got(phone) == NONE
    assert await shown(house, bob) == {}
    await house.records(lambda one: one == DeviceKeysChanged(ALICE, "DRIED", None))


@pytest.mark.parametrize(
    ("changes", "status", "errcode"),
    [
        ({"device_id": 5}, 400, "M_BAD_JSON"),
        ({"device_id": ""}, 400, "M_INVALID_PARAM"),
        ({"device_id": "OTHER"}, 400, "M_INVALID_PARAM"),
        ({"device_data": {}}, 400, "M_BAD_JSON"),
        ({"device_data": {"algorithm": "a", "pickle": "x" * 70_000}}, 413, "M_TOO_LARGE"),
        ({"device_keys": {}}, 400, "M_INVALID_PARAM"),
        ({"initial_device_display_name": "x" * 2000}, 400, "M_INVALID_PARAM"),
        ({"one_time_keys": {"signed_curve25519:a": {"key": "A"}}}, 400, "M_BAD_JSON"),
    ],
)
async def test_a_wrong_upload_is_refused_and_leaves_the_device_that_is_there(
    house: House, changes: dict[str, Any], status: int, errcode: str
) -> None:
    phone = await house.login(ALICE, "PHONE")
    await put(phone, body_of(dried(house, "FIRST")))

    answer = await phone.client.put(PATH, body_of(dried(house), **changes))

    assert (answer.status, answer.errcode) == (status, errcode)
    assert await got(phone) == (200, "FIRST")


@pytest.mark.parametrize("missing", ["device_id", "device_data", "device_keys"])
async def test_an_upload_has_an_id_data_and_keys(house: House, missing: str) -> None:
    phone = await house.login(ALICE, "PHONE")
    body = body_of(dried(house))
    del body[missing]

    answer = await phone.client.put(PATH, body)

    assert (answer.status, answer.errcode) == (400, "M_MISSING_PARAM")


async def test_a_device_is_not_named_like_a_cross_signing_key(house: House) -> None:
    phone, own = await house.login(ALICE, "PHONE"), CrossSigning(ALICE)
    await phone.client.post(f"{V3}/keys/device_signing/upload", own.body())

    answer = await phone.client.put(PATH, body_of(dried(house, own.public["master"])))

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert house.users.untold == []


async def test_devices_of_the_kind_from_before_are_not_found(house: House) -> None:
    phone = await house.login(ALICE, "PHONE")

    answer = await phone.client.get(f"{UNSTABLE}/org.matrix.msc2697.v2/dehydrated_device")

    assert (answer.status, answer.errcode) == NONE


async def test_replicas_answer_alike(
    log: EmbeddedLog, database_url: str, users: DevicesOfTest, house: House
) -> None:
    async with running_house(log, database_url, users) as other:
        phone = await house.login(ALICE, "PHONE")
        elsewhere = Device(other, ALICE, "PHONE", 1)
        await put(phone, body_of(dried(house)))
        found = await got(elsewhere)
        await put(elsewhere, body_of(dried(house, "OTHER")))

    assert (found, await got(phone)) == ((200, "DRIED"), (200, "OTHER"))
