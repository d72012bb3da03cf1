"""Tokens by which a user lets another of their devices in."""

import asyncio

import pytest

from base.http.testing import Answer
from logs.log import Log
from matrix.errors import UnknownToken
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

GET_TOKEN = "/_matrix/client/v1/login/get_token"


async def login_with(server: UserApiServer, token: object) -> Answer:
    return await server.client.post(f"{V3}/login", {"type": "m.login.token", "token": token})


async def test_a_login_token_lets_one_device_in_once(server: UserApiServer, alice: User) -> None:
    asked = await alice.client.post(GET_TOKEN, {})
    assert (asked.status, asked.json["flows"]) == (401, [{"stages": ["m.login.password"]}])
    answer = await alice.client.post(
        GET_TOKEN, {"auth": alice.proof(session=asked.json["session"])}
    )
    assert (answer.status, answer.json["expires_in_ms"]) == (200, 120_000)

    logins = await asyncio.gather(
        *(login_with(server, answer.json["login_token"]) for _ in range(3))
    )

    assert sorted(login.status for login in logins) == [200, 403, 403]
    won = next(login for login in logins if login.status == 200)
    assert won.json["user_id"] == alice.user_id
    assert won.json["device_id"] != alice.device_id
    lost = next(login for login in logins if login.status == 403)
    assert lost.errcode == "M_FORBIDDEN"


async def test_a_session_gives_one_login_token(alice: User) -> None:
    asked = await alice.client.post(GET_TOKEN, {})
    auth = alice.proof(session=asked.json["session"])
    assert (await alice.client.post(GET_TOKEN, {"auth": auth})).status == 200

    assert (await alice.client.post(GET_TOKEN, {"auth": auth})).status == 401


async def test_a_login_token_expires(server: UserApiServer, alice: User) -> None:
    answer = await alice.client.post(GET_TOKEN, {"auth": alice.proof()})

    server.clock.advance_ms(120_000)

    assert (await login_with(server, answer.json["login_token"])).status == 403


@pytest.mark.parametrize(
    ("token", "status", "errcode"),
    [("nonsense", 403, "M_FORBIDDEN"), (None, 400, "M_MISSING_PARAM"), (5, 400, "M_BAD_JSON")],
)
async def test_what_is_no_login_token_lets_nobody_in(
    server: UserApiServer, token: object, status: int, errcode: str
) -> None:
    answer = await login_with(server, token)

    assert (answer.status, answer.errcode) == (status, errcode)


async def test_login_tokens_are_limited_per_user(alice: User, bob: User) -> None:
    answers = [await alice.client.post(GET_TOKEN, {}) for _ in range(6)]

    assert [answer.status for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "50"
    assert (await bob.client.post(GET_TOKEN, {})).status == 401


async def test_a_server_without_login_tokens_says_so(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, login_tokens=False) as server:
        alice = await server.user("alice")

        flows = await server.client.get(f"{V3}/login")
        asked = await alice.client.post(GET_TOKEN, {"auth": alice.proof()})
        login = await login_with(server, "token")
        capabilities = await alice.client.get(f"{V3}/capabilities")

        assert flows.json == {"flows": [{"type": "m.login.password"}]}
        assert (asked.status, asked.errcode) == (404, "M_UNRECOGNIZED")
        assert (login.status, login.errcode) == (400, "M_UNKNOWN")
        assert capabilities.json["capabilities"]["m.get_login_token"] == {"enabled": False}


async def test_application_services_do_not_log_in_yet(server: UserApiServer) -> None:
    body = {
        "type": "m.login.application_service",
        "identifier": {"type": "m.id.user", "user": "bot"},
    }

    answer = await server.client.post(f"{V3}/login", body)

    assert (answer.status, answer.errcode) == (400, "M_APPSERVICE_LOGIN_UNSUPPORTED")


async def login_token(user: User) -> str:
    """Ask for a login token and return it."""
    answer = await user.client.post(GET_TOKEN, {"auth": user.proof()})
    assert answer.status == 200, answer
    return str(answer.json["login_token"])


async def change_password(user: User, *, logout_devices: bool) -> None:
    """Give the user another password."""
    body = {"new_password": "quite another", "logout_devices": logout_devices}
    answer = await user.client.post(f"{V3}/account/password", {**body, "auth": user.proof()})
    assert answer.status == 200, answer


@pytest.mark.parametrize("logout_devices", [True, False])
async def test_a_login_token_ends_with_the_password(
    server: UserApiServer, alice: User, *, logout_devices: bool
) -> None:
    token = await login_token(alice)

    await change_password(alice, logout_devices=logout_devices)

    assert (await login_with(server, token)).status == 403


@pytest.mark.parametrize("end", ["logout", "logout/all"])
async def test_a_login_token_ends_with_the_device_that_asked_for_it(
    server: UserApiServer, alice: User, end: str
) -> None:
    other = User(server, (await server.login("alice")).json)
    token, kept = await login_token(alice), await login_token(other)

    await alice.client.post(f"{V3}/{end}")

    assert (await login_with(server, token)).status == 403
    assert (await login_with(server, kept)).status == (200 if end == "logout" else 403)


async def test_a_login_token_ends_when_its_device_is_deleted(
    server: UserApiServer, alice: User
) -> None:
    other = User(server, (await server.login("alice")).json)
    token = await login_token(other)

    answer = await alice.client.delete(f"{V3}/devices/{other.device_id}", {"auth": alice.proof()})

    assert answer.status == 200
    assert (await login_with(server, token)).status == 403


async def test_a_locked_account_is_entered_by_no_token(
    server: UserApiServer, alice: User, bob: User
) -> None:
    root = await server.admin()
    token = await login_token(alice)
    asked = await alice.client.post(f"{V3}/user/{alice.user_id}/openid/request_token", {})
    openid = asked.json["access_token"]

    await root.client.put(f"/_matrix/client/v1/admin/lock/{alice.user_id}", {"locked": True})

    login = await login_with(server, token)
    assert (login.status, login.errcode) == (401, "M_USER_LOCKED")
    with pytest.raises(UnknownToken):
        await server.api.openid_tokens.query_openid_user(access_token=openid)
    assert (await login_with(server, await login_token(bob))).status == 200


@pytest.mark.parametrize("end", ["logout", "logout/all"])
async def test_a_login_by_token_during_the_logout_leaves_no_device_that_was_let_in_later(
    server: UserApiServer, alice: User, end: str
) -> None:
    for _ in range(5):
        user = User(server, (await server.login(alice.user_id)).json)
        token = await login_token(user)

        _, answer = await asyncio.gather(user.client.post(f"{V3}/{end}"), login_with(server, token))

        if end == "logout/all" and answer.status == 200:
            assert (await server.whoami(answer.json["access_token"])).status == 401
        assert (await login_with(server, token)).status == 403


async def test_a_login_token_is_not_made_for_a_device_that_is_gone(
    server: UserApiServer, alice: User
) -> None:
    for _ in range(5):
        user = User(server, (await server.login(alice.user_id)).json)

        asked, _ = await asyncio.gather(
            user.client.post(GET_TOKEN, {"auth": user.proof()}),
            user.client.post(f"{V3}/logout"),
        )

        if asked.status == 200:
            assert (await login_with(server, asked.json["login_token"])).status == 403
