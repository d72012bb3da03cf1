"""Devices, and the password, which an interactive stage guards."""

import asyncio
from typing import Any

import pytest

from base.http.testing import Answer
from components.userapi.passwords import Passwords
from logs.log import Log
from matrix.errors import LimitExceeded
from tests.component.userapi.userapi_server import PASSWORD, V3, Deployment, User, UserApiServer

NEW_PASSWORD = "battery staple"


async def test_a_user_sees_their_own_devices(server: UserApiServer, alice: User, bob: User) -> None:
    await server.login("alice", device_id="PHONE", initial_device_display_name="Phone")

    answer = await alice.client.get(f"{V3}/devices")
    phone = await alice.client.get(f"{V3}/devices/PHONE")

    assert {device["device_id"] for device in answer.json["devices"]} == {
        alice.device_id,
        "PHONE",
    }
    assert phone.json == {
        "device_id": "PHONE",
        "display_name": "Phone",
        "last_seen_ip": "192.0.2.1",
        "last_seen_ts": server.clock.now_ms(),
    }
    assert (await bob.client.get(f"{V3}/devices/PHONE")).status == 404


async def test_a_device_is_renamed(alice: User) -> None:
    path = f"{V3}/devices/{alice.device_id}"

    assert (await alice.client.put(path, {"display_name": "Laptop"})).status == 200
    assert (await alice.client.put(path, {})).status == 200

    assert (await alice.client.get(path)).json["display_name"] == "Laptop"


@pytest.mark.parametrize(
    ("device", "body", "status", "errcode"),
    [
        ("NONE", {"display_name": "x"}, 404, "M_NOT_FOUND"),
        ("NO%00NE", {"display_name": "x"}, 400, "M_INVALID_PARAM"),
        ("NONE", {"display_name": 5}, 400, "M_BAD_JSON"),
        ("NONE", {"display_name": "x" * 2000}, 400, "M_INVALID_PARAM"),
        ("NONE", {"display_name": "\0"}, 400, "M_INVALID_PARAM"),
    ],
)
async def test_a_wrong_change_of_a_device_is_refused(
    alice: User, device: str, body: dict[str, Any], status: int, errcode: str
) -> None:
    answer = await alice.client.put(f"{V3}/devices/{device}", body)

    assert (answer.status, answer.errcode) == (status, errcode)


async def test_a_device_is_deleted_once_the_password_is_given(
    server: UserApiServer, alice: User
) -> None:
    phone = (await server.login("alice", device_id="PHONE")).json
    path = f"{V3}/devices/PHONE"

    asked = await alice.client.delete(path)
    assert (asked.status, asked.json["flows"]) == (401, [{"stages": ["m.login.password"]}])
    session = asked.json["session"]
    wrong = await alice.client.delete(
        path, {"auth": alice.proof("not the password", session=session)}
    )
    assert (wrong.status, wrong.errcode) == (401, "M_FORBIDDEN")
    assert wrong.json["session"] == session
    answer = await alice.client.delete(path, {"auth": alice.proof(session=session)})

    assert (answer.status, answer.json) == (200, {})
    assert (await alice.client.get(path)).status == 404
    assert (await server.whoami(phone["access_token"])).status == 401
    assert (await server.whoami(alice.access_token)).status == 200


async def test_the_password_of_somebody_else_proves_nothing(
    server: UserApiServer, alice: User, bob: User
) -> None:
    answer = await alice.client.delete(f"{V3}/devices/{alice.device_id}", {"auth": bob.proof()})

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert (await server.whoami(alice.access_token)).status == 200


async def test_a_session_of_one_device_deletes_no_other(server: UserApiServer, alice: User) -> None:
    await server.login("alice", device_id="PHONE")
    asked = await alice.client.delete(f"{V3}/devices/NONE")

    answer = await alice.client.delete(
        f"{V3}/devices/PHONE", {"auth": alice.proof(session=asked.json["session"])}
    )

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert (await alice.client.get(f"{V3}/devices/PHONE")).status == 200


async def test_several_devices_are_deleted_at_once(server: UserApiServer, alice: User) -> None:
    for device_id in ("ONE", "TWO", "THREE"):
        await server.login("alice", device_id=device_id)

    answer = await alice.client.post(
        f"{V3}/delete_devices", {"devices": ["ONE", "TWO", "GONE"], "auth": alice.proof()}
    )

    assert (answer.status, answer.json) == (200, {})
    devices = (await alice.client.get(f"{V3}/devices")).json["devices"]
    assert {device["device_id"] for device in devices} == {alice.device_id, "THREE"}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"devices": "ONE"}, "M_BAD_JSON"),
        ({"devices": [1]}, "M_BAD_JSON"),
        ({"devices": ["a\0"]}, "M_INVALID_PARAM"),
        ({"devices": [str(number) for number in range(1001)]}, "M_INVALID_PARAM"),
    ],
)
async def test_a_malformed_deletion_is_refused(
    alice: User, body: dict[str, Any], errcode: str
) -> None:
    answer = await alice.client.post(f"{V3}/delete_devices", body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_a_device_was_last_seen_when_it_last_asked(
    server: UserApiServer, alice: User
) -> None:
    server.clock.advance_ms(5000)
    await alice.client.get(f"{V3}/account/whoami")
    await server.api._tokens.write_last_seen()

    devices = (await alice.client.get(f"{V3}/devices")).json["devices"]

    assert [device["last_seen_ts"] for device in devices] == [server.clock.now_ms()]


async def test_a_new_password_replaces_the_old_one_and_logs_out_the_others(
    server: UserApiServer, alice: User
) -> None:
    other = (await server.login("alice")).json["access_token"]
    body = {"new_password": NEW_PASSWORD}
    asked = await alice.client.post(f"{V3}/account/password", body)
    assert asked.status == 401

    answer = await alice.client.post(
        f"{V3}/account/password", {**body, "auth": alice.proof(session=asked.json["session"])}
    )

    assert (answer.status, answer.json) == (200, {})
    assert (await server.login("alice", PASSWORD)).status == 403
    assert (await server.login("alice", NEW_PASSWORD)).status == 200
    assert (await server.whoami(alice.access_token)).status == 200
    assert (await server.whoami(other)).status == 401


async def test_no_login_with_the_old_password_outlives_the_change(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, password_threads=1) as server:
        alice = await server.user("alice")
        body = {"new_password": "quite another", "auth": alice.proof()}
        change = asyncio.create_task(alice.client.post(f"{V3}/account/password", body))
        logins: list[Answer] = []
        under_way: set[asyncio.Task[Answer]] = set()
        while not change.done():
            while len(under_way) < 20:
                under_way.add(asyncio.create_task(server.login("alice")))
            done, under_way = await asyncio.wait(
                under_way | {change}, return_when=asyncio.FIRST_COMPLETED
            )
            logins += [login.result() for login in done - {change}]
            under_way.discard(change)
        logins += await asyncio.gather(*under_way)

        assert change.result().status == 200
        for login in logins:
            if login.status == 200:
                assert (await server.whoami(login.json["access_token"])).status == 401


async def test_a_new_password_can_leave_the_other_devices_alone(
    server: UserApiServer, alice: User
) -> None:
    other = (await server.login("alice")).json["access_token"]
    body = {"new_password": NEW_PASSWORD, "logout_devices": False, "auth": alice.proof()}

    assert (await alice.client.post(f"{V3}/account/password", body)).status == 200

    assert (await server.whoami(other)).status == 200


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"new_password": 5}, "M_BAD_JSON"),
        ({"new_password": "short"}, "M_WEAK_PASSWORD"),
        ({"new_password": NEW_PASSWORD, "logout_devices": "no"}, "M_BAD_JSON"),
        ({"new_password": NEW_PASSWORD, "auth": {"type": "m.login.password"}}, "M_MISSING_PARAM"),
    ],
)
async def test_a_malformed_change_of_the_password_is_refused(
    alice: User, body: dict[str, Any], errcode: str
) -> None:
    answer = await alice.client.post(f"{V3}/account/password", body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_no_more_passwords_wait_than_may() -> None:
    passwords = Passwords(cost=4, threads=1, waiting_max=1)
    try:
        answers = await asyncio.gather(
            *(passwords.check("a guess", None) for _ in range(3)), return_exceptions=True
        )

        assert answers[:2] == [False, False]
        assert isinstance(answers[2], LimitExceeded)
        assert await passwords.check("a guess", await passwords.hash("a guess"))
    finally:
        passwords.close()
