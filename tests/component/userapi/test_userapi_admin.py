"""What administrators see and decide, and what accounts that are locked or suspended can do."""

import asyncio
from typing import Any

import pytest

from logs.log import Log
from logs.records.client_data import AccountStatusChanged
from matrix.errors import UserLocked
from tests.component.userapi.userapi_server import PASSWORD, V3, Deployment, User, UserApiServer

V1 = "/_matrix/client/v1"
LOCK, SUSPEND = f"{V1}/admin/lock", f"{V1}/admin/suspend"


@pytest.fixture(name="root")
async def fixture_root(server: UserApiServer) -> User:
    return await server.admin()


async def test_users_look_themselves_up_and_administrators_anybody(
    server: UserApiServer, alice: User, bob: User, root: User
) -> None:
    path = f"{V3}/admin/whois/{alice.user_id}"

    own, seen, refused = [await user.client.get(path) for user in (alice, root, bob)]

    connection = {"ip": "192.0.2.1", "last_seen": server.clock.now_ms()}
    assert own.json == seen.json
    assert own.json == {
        "user_id": alice.user_id,
        "devices": {alice.device_id: {"sessions": [{"connections": [connection]}]}},
    }
    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    for user_id, status in (("@nobody:xylem.test", 404), ("@a:elsewhere.test", 400)):
        assert (await root.client.get(f"{V3}/admin/whois/{user_id}")).status == status


async def test_a_device_is_seen_with_what_its_client_calls_itself(
    server: UserApiServer, alice: User
) -> None:
    identifier = {"type": "m.id.user", "user": "alice"}
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    for user_agent in ("curl/8.0", "Element " + "x" * 600):
        await server.client.request(
            "POST",
            f"{V3}/login",
            {**body, "device_id": "PHONE"},
            headers={"user-agent": user_agent},
        )

        seen = (await alice.client.get(f"{V3}/admin/whois/{alice.user_id}")).json
        [connection] = seen["devices"]["PHONE"]["sessions"][0]["connections"]
        assert connection["user_agent"] == user_agent[:500]


async def test_a_locked_account_can_do_nothing_but_log_out(
    server: UserApiServer, alice: User, root: User
) -> None:
    session = (await server.login("alice", refresh_token=True)).json

    answer = await root.client.put(f"{LOCK}/{alice.user_id}", {"locked": True})

    assert (answer.status, answer.json) == (200, {"locked": True})
    assert (await root.client.get(f"{LOCK}/{alice.user_id}")).json == {"locked": True}
    refused = [
        await alice.client.get(f"{V3}/account/whoami"),
        await alice.client.get(f"{V3}/devices"),
        await alice.client.put(f"{V3}/user/{alice.user_id}/account_data/a", {}),
        await server.login("alice"),
        await server.client.post(f"{V3}/refresh", {"refresh_token": session["refresh_token"]}),
    ]
    for one in refused:
        assert (one.status, one.errcode) == (401, "M_USER_LOCKED")
        assert one.json["soft_logout"] is True
    with pytest.raises(UserLocked):
        await server.api.authentication.query_token(access_token=alice.access_token)
    assert (await server.login("alice", "a guess")).errcode == "M_FORBIDDEN"
    assert (await alice.client.post(f"{V3}/logout")).status == 200

    await root.client.put(f"{LOCK}/{alice.user_id}", {"locked": False})

    assert (await server.whoami(alice.access_token)).errcode == "M_UNKNOWN_TOKEN"
    assert (await server.whoami(session["access_token"])).status == 200


async def test_a_token_known_to_another_replica_is_locked_there_too(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as here, deployment.start(log) as there:
        alice, root = await here.user("alice"), await here.admin()
        async with here.running(), there.running():
            assert (await there.whoami(alice.access_token)).status == 200

            await root.client.put(f"{LOCK}/{alice.user_id}", {"locked": True})

            async with asyncio.timeout(30):
                while (await there.whoami(alice.access_token)).status == 200:  # noqa: ASYNC110 (the answer itself is what is waited for)
                    await asyncio.sleep(0.001)
            assert (await there.whoami(alice.access_token)).errcode == "M_USER_LOCKED"


async def test_a_suspended_account_is_known_as_such(
    server: UserApiServer, alice: User, root: User
) -> None:
    before = len(await server.all_announced())

    answer = await root.client.put(f"{SUSPEND}/{alice.user_id}", {"suspended": True})
    await root.client.put(f"{SUSPEND}/{alice.user_id}", {"suspended": True})

    assert (answer.status, answer.json) == (200, {"suspended": True})
    assert (await root.client.get(f"{SUSPEND}/{alice.user_id}")).json == {"suspended": True}
    requester = await server.api.authentication.query_token(access_token=alice.access_token)
    assert requester.is_suspended
    assert (await server.whoami(alice.access_token)).status == 200
    assert (await server.login("alice")).status == 200
    assert (await server.all_announced())[before:][:1] == [
        AccountStatusChanged(
            alice.user_id,
            is_deactivated=False,
            is_erased=False,
            is_locked=False,
            is_suspended=True,
        )
    ]


async def test_a_lock_leaves_a_suspension_as_it_is(alice: User, root: User) -> None:
    await root.client.put(f"{SUSPEND}/{alice.user_id}", {"suspended": True})
    await root.client.put(f"{LOCK}/{alice.user_id}", {"locked": True})
    await root.client.put(f"{LOCK}/{alice.user_id}", {"locked": False})

    assert (await root.client.get(f"{SUSPEND}/{alice.user_id}")).json == {"suspended": True}


@pytest.mark.parametrize(("path", "field"), [(LOCK, "locked"), (SUSPEND, "suspended")])
async def test_only_administrators_decide_and_not_about_each_other(
    server: UserApiServer, alice: User, root: User, path: str, field: str
) -> None:
    other, bob = await server.admin("other"), await server.user("bob")
    body: dict[str, Any] = {field: True}
    await bob.client.post(f"{V3}/account/deactivate", {"auth": bob.proof()})
    expected = {
        (alice, bob.user_id): (403, "M_FORBIDDEN"),
        (alice, "@nobody:xylem.test"): (403, "M_FORBIDDEN"),
        (alice, "@a:elsewhere.test"): (403, "M_FORBIDDEN"),
        (root, other.user_id): (403, "M_FORBIDDEN"),
        (root, "@nobody:xylem.test"): (404, "M_NOT_FOUND"),
        (root, bob.user_id): (404, "M_NOT_FOUND"),
        (root, "@a:elsewhere.test"): (400, "M_INVALID_PARAM"),
        (root, "nonsense"): (400, "M_INVALID_PARAM"),
    }

    for (user, target), refusal in expected.items():
        for answer in (
            await user.client.get(f"{path}/{target}"),
            await user.client.put(f"{path}/{target}", body),
        ):
            assert (answer.status, answer.errcode) == refusal
    own = await root.client.put(f"{path}/{root.user_id}", body)
    assert (own.status, own.errcode) == (403, "M_FORBIDDEN")
    for wrong, errcode in (({}, "M_MISSING_PARAM"), ({field: 1}, "M_BAD_JSON")):
        malformed = await root.client.put(f"{path}/{alice.user_id}", wrong)
        assert (malformed.status, malformed.errcode) == (400, errcode)
