"""Dehydrated devices: devices of a user on which nobody is logged in."""

import asyncio
from typing import Any

import pytest

from internalapi.userapi import KnownDevice
from logs.log import Log
from logs.records.client_data import DeviceChanged, TokensRevoked
from matrix.errors import Forbidden, InvalidParam, UserDeactivated
from matrix.identifiers import DeviceID, UserID
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

DRIED = DeviceID("DRIED")


async def dehydrate(server: UserApiServer, user: User, device_id: str = DRIED) -> int:
    return await server.api.dehydrated_devices.perform_replace_dehydrated_device(
        user_id=UserID(user.user_id), device_id=DeviceID(device_id), display_name="Dehydrated"
    )


async def found(server: UserApiServer, user: User) -> KnownDevice | None:
    user_id = UserID(user.user_id)
    return await server.api.dehydrated_devices.query_dehydrated_device(user_id=user_id)


async def device_ids(user: User) -> set[str]:
    devices = (await user.client.get(f"{V3}/devices")).json["devices"]
    return {device["device_id"] for device in devices}


async def test_a_dehydrated_device_is_listed_among_the_devices_and_gets_messages(
    server: UserApiServer, alice: User, bob: User
) -> None:
    number = await dehydrate(server, alice)

    user_id = UserID(alice.user_id)
    known = KnownDevice(user_id, DRIED, number)
    listed = (await alice.client.get(f"{V3}/devices/{DRIED}")).json
    assert await found(server, alice) == known
    assert await found(server, bob) is None
    assert known in await server.api.devices.query_devices_of(user_ids=[user_id])
    assert listed == {
        "device_id": DRIED,
        "display_name": "Dehydrated",
        "last_seen_ts": server.clock.now_ms(),
    }
    assert await device_ids(alice) == {alice.device_id, DRIED}
    facts, devices = await server.api.operator.query_account(alice.user_id)
    assert (facts.devices, [one.is_dehydrated for one in devices].count(True)) == (1, True)


@pytest.mark.parametrize("second", [DRIED, "OTHER"])
async def test_a_user_has_one_dehydrated_device_and_each_has_another_number(
    server: UserApiServer, alice: User, second: str
) -> None:
    first = await dehydrate(server, alice)
    before = len(await server.all_announced())

    number = await dehydrate(server, alice, second)

    assert number > first
    assert await found(server, alice) == KnownDevice(
        UserID(alice.user_id), DeviceID(second), number
    )
    assert await device_ids(alice) == {alice.device_id, second}
    assert (await server.all_announced())[before:] == [
        TokensRevoked(alice.user_id, DRIED, removed_up_to=first),
        DeviceChanged(alice.user_id, second, number, "Dehydrated"),
    ]


async def test_a_dehydrated_device_is_removed_once(server: UserApiServer, alice: User) -> None:
    number = await dehydrate(server, alice)
    user_id = UserID(alice.user_id)
    remove = server.api.dehydrated_devices.perform_remove_dehydrated_device

    removed = [await remove(user_id=user_id) for _ in range(2)]

    assert removed == [KnownDevice(user_id, DRIED, number), None]
    assert await found(server, alice) is None
    assert await device_ids(alice) == {alice.device_id}
    gone = TokensRevoked(alice.user_id, DRIED, removed_up_to=number)
    assert (await server.all_announced()).count(gone) == 1


async def test_a_device_that_somebody_is_logged_in_on_is_not_replaced_by_a_dehydrated_one(
    server: UserApiServer, alice: User
) -> None:
    number = await dehydrate(server, alice)

    with pytest.raises(InvalidParam):
        await dehydrate(server, alice, alice.device_id)

    assert await found(server, alice) == KnownDevice(UserID(alice.user_id), DRIED, number)
    assert (await server.whoami(alice.access_token)).status == 200


async def test_nobody_logs_in_on_a_dehydrated_device_and_other_logins_leave_it(
    server: UserApiServer, alice: User
) -> None:
    number = await dehydrate(server, alice)

    refused = await server.login("alice", device_id=DRIED)
    taken = await server.login("alice", device_id="PHONE")

    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    assert taken.status == 200
    known = await found(server, alice)
    assert known is not None
    assert known.number == number


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("logout/all", {}),
        ("delete_devices", {"devices": [DRIED]}),
        ("account/password", {"new_password": "battery staple"}),
        ("account/deactivate", {}),
    ],
)
async def test_a_dehydrated_device_goes_as_others_do(
    server: UserApiServer, alice: User, path: str, body: dict[str, Any]
) -> None:
    await dehydrate(server, alice)

    answer = await alice.client.post(f"{V3}/{path}", {**body, "auth": alice.proof()})

    assert answer.status == 200
    assert await found(server, alice) is None


async def test_a_log_out_of_one_device_leaves_the_dehydrated_one(
    server: UserApiServer, alice: User
) -> None:
    await dehydrate(server, alice)

    await alice.client.post(f"{V3}/logout", {})

    assert await found(server, alice) is not None


async def test_a_deactivated_user_gets_no_dehydrated_device(
    server: UserApiServer, alice: User
) -> None:
    await alice.client.post(f"{V3}/account/deactivate", {"auth": alice.proof()})

    with pytest.raises(UserDeactivated):
        await dehydrate(server, alice)

    assert await found(server, alice) is None


async def test_a_dehydrated_device_counts_among_the_devices_but_not_the_one_that_it_replaces(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, devices_max=2) as server:
        alice = await server.user("alice")
        await dehydrate(server, alice)
        await dehydrate(server, alice, "OTHER")
        refused = await server.login("alice", device_id="PHONE")
        user_id = UserID(alice.user_id)
        await server.api.dehydrated_devices.perform_remove_dehydrated_device(user_id=user_id)
        await server.login("alice", device_id="PHONE")
        with pytest.raises(Forbidden):
            await dehydrate(server, alice)

    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")


async def test_of_dehydrated_devices_that_come_at_once_one_stays(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as server, deployment.start(log) as other:
        alice = await server.user("alice")
        numbers = await asyncio.gather(
            *(dehydrate(one, alice, f"D{n}") for n in range(5) for one in (server, other))
        )
        known = await found(server, alice)
        listed = await device_ids(alice)

    assert len(set(numbers)) == 10
    assert known is not None
    assert known.number == max(numbers)
    assert listed == {alice.device_id, known.device_id}
