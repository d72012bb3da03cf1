"""Registration of users and guests."""

import asyncio
import hashlib
import hmac
from typing import Any

import pytest

from base.limits import Rate
from components.userapi.settings import RegistrationToken
from logs.log import Log
from logs.records.client_data import AccountDataChanged, ProfileChanged
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import (
    DUMMY,
    PASSWORD,
    V3,
    Deployment,
    User,
    UserApiServer,
)

SECRET = "shared secret"


async def test_a_request_without_auth_is_answered_with_the_flows(server: UserApiServer) -> None:
    answer = await server.client.post(f"{V3}/register", {})

    assert answer.status == 401
    assert answer.json["flows"] == [{"stages": ["m.login.dummy"]}]
    assert answer.json["params"] == {}
    assert isinstance(answer.json["session"], str)
    assert "errcode" not in answer.json


async def test_a_user_registers_within_the_session(server: UserApiServer) -> None:
    body = {"username": "alice", "password": PASSWORD}
    asked = await server.client.post(f"{V3}/register", body)
    auth = {**DUMMY, "session": asked.json["session"]}
    answer = await server.client.post(f"{V3}/register", {**body, "auth": auth})

    assert answer.status == 200
    assert answer.json["user_id"] == "@alice:xylem.test"
    assert answer.json["home_server"] == "xylem.test"
    whoami = await server.whoami(answer.json["access_token"])
    assert whoami.json["device_id"] == answer.json["device_id"]


async def test_a_session_ends_with_the_registration(server: UserApiServer) -> None:
    asked = await server.client.post(f"{V3}/register", {})
    auth = {**DUMMY, "session": asked.json["session"]}
    assert (await server.register("alice", auth=auth)).status == 200

    again = await server.register("bob", auth=auth)

    assert again.status == 401
    assert again.json["session"] != asked.json["session"]


@pytest.mark.parametrize("username", ["alice", None])
async def test_who_has_not_heard_of_the_registration_asks_again_by_its_session(
    server: UserApiServer, username: str | None
) -> None:
    body = {"password": PASSWORD} | ({} if username is None else {"username": username})
    asked = await server.client.post(f"{V3}/register", body)
    auth = {**DUMMY, "session": asked.json["session"]}

    first = await server.client.post(f"{V3}/register", {**body, "auth": auth})
    again = await server.client.post(f"{V3}/register", {**body, "auth": auth})
    remembered = await server.client.post(f"{V3}/register", {"auth": auth})

    assert {answer.status for answer in (first, again, remembered)} == {200}
    assert again.json["user_id"] == remembered.json["user_id"] == first.json["user_id"]
    for answer in (again, remembered):
        assert (await server.whoami(answer.json["access_token"])).status == 200


async def test_the_same_registration_twice_at_once_makes_one_account(
    server: UserApiServer,
) -> None:
    asked = await server.client.post(f"{V3}/register", {})
    auth = {**DUMMY, "session": asked.json["session"]}

    answers = await asyncio.gather(*(server.register("alice", auth=auth) for _ in range(3)))

    assert {answer.status for answer in answers} == {200}
    assert {answer.json["user_id"] for answer in answers} == {"@alice:xylem.test"}


async def test_a_registration_is_repeated_with_its_password_only(server: UserApiServer) -> None:
    asked = await server.client.post(f"{V3}/register", {})
    auth = {**DUMMY, "session": asked.json["session"]}
    alice = await server.user("alice", auth=auth)

    wrong = await server.register("alice", auth=auth, password="another password")
    inhibited = await server.register("alice", auth=auth, inhibit_login=True)
    await alice.client.post(f"{V3}/account/deactivate", {"auth": alice.proof()})
    over = await server.register("alice", auth=auth)

    assert (wrong.status, wrong.errcode) == (403, "M_FORBIDDEN")
    assert inhibited.json.keys() == {"user_id", "home_server"}
    assert (over.status, over.errcode) == (403, "M_USER_DEACTIVATED")


async def test_a_session_makes_one_account_also_when_it_is_raced(server: UserApiServer) -> None:
    opened = await server.client.post(f"{V3}/register", {"username": "a0", "password": PASSWORD})
    auth = {**DUMMY, "session": opened.json["session"]}

    answers = await asyncio.gather(
        *(server.register(f"a{number}", auth=auth) for number in range(5))
    )

    assert min(answer.status for answer in answers) == 200
    assert {answer.status for answer in answers if answer.status != 200} <= {401, 403}
    names = [await server.client.get(f"{V3}/register/available?username=a{n}") for n in range(5)]
    assert [name.status for name in names].count(400) == 1


async def test_a_session_expires(server: UserApiServer) -> None:
    asked = await server.client.post(f"{V3}/register", {})
    server.clock.advance_ms(3_600_000)

    answer = await server.register("alice", auth={**DUMMY, "session": asked.json["session"]})

    assert answer.status == 401
    assert answer.json["session"] != asked.json["session"]


async def test_the_oldest_sessions_give_way(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, interactive_sessions_max=2) as server:
        sessions = []
        for _ in range(3):
            answer = await server.client.post(f"{V3}/register", {})
            sessions.append(answer.json["session"])
            server.clock.advance_ms(1)

        oldest = await server.register("alice", auth={**DUMMY, "session": sessions[0]})
        newest = await server.register("alice", auth={**DUMMY, "session": sessions[2]})

        assert (oldest.status, newest.status) == (401, 200)


async def test_who_opens_many_sessions_ends_no_session_of_others(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(
        log, interactive_sessions_max=5, registration_shared_secret=SECRET
    ) as server:
        alice = await server.user("alice")
        opened = await server.client.post(f"{V3}/register", {})
        nonce = await server.client.get("/_synapse/admin/v1/register")
        asked = await alice.client.post(f"{V3}/delete_devices", {"devices": ["OTHER"]})
        stranger = server.client.at("198.51.100.1")
        for _ in range(10):
            server.clock.advance_ms(1)
            await stranger.post(f"{V3}/register", {})
            await stranger.get("/_synapse/admin/v1/register")

        registered = await server.register("bob", auth={**DUMMY, "session": opened.json["session"]})
        proof = alice.proof(session=asked.json["session"])
        deleted = await alice.client.post(f"{V3}/delete_devices", {"auth": proof})
        by_secret = await server.client.post(
            "/_synapse/admin/v1/register", _signed(nonce.json["nonce"])
        )

        assert (registered.status, deleted.status, by_secret.status) == (200, 200, 200)


async def test_a_stage_that_is_in_no_flow_is_refused(server: UserApiServer) -> None:
    answer = await server.register("alice", auth={"type": "m.login.password"})

    assert (answer.status, answer.errcode) == (401, "M_UNRECOGNIZED")
    assert answer.json["flows"] == [{"stages": ["m.login.dummy"]}]


async def test_a_session_of_another_operation_is_refused(
    server: UserApiServer, alice: User
) -> None:
    asked = await alice.client.delete(f"{V3}/devices/{alice.device_id}")

    answer = await server.register("bob", auth={**DUMMY, "session": asked.json["session"]})

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


async def test_capitals_of_a_user_name_become_small(server: UserApiServer) -> None:
    answer = await server.register("user-UPPER")

    assert answer.json["user_id"] == "@user-upper:xylem.test"


@pytest.mark.parametrize("username", ["", "a b", "é", "a:b", "@alice", "a\0", "x" * 255])
async def test_an_invalid_user_name_is_refused_before_any_stage(
    server: UserApiServer, username: str
) -> None:
    body = {"username": username, "password": PASSWORD}

    answer = await server.client.post(f"{V3}/register", body)

    assert (answer.status, answer.errcode) == (400, "M_INVALID_USERNAME")


async def test_names_of_application_services_are_kept_for_them(server: UserApiServer) -> None:
    answer = await server.client.post(f"{V3}/register", {"username": "_irc_bob"})
    asked = await server.client.get(f"{V3}/register/available?username=_irc_bob")
    other = await server.client.get(f"{V3}/register/available?username=bob_")

    assert (answer.status, answer.errcode) == (400, "M_INVALID_USERNAME")
    assert (asked.status, asked.errcode) == (400, "M_INVALID_USERNAME")
    assert other.json == {"available": True}


async def test_a_taken_user_name_is_refused_before_any_stage(
    server: UserApiServer,
) -> None:
    await server.register("alice")

    answer = await server.client.post(f"{V3}/register", {"username": "Alice"})
    asked = await server.client.get(f"{V3}/register/available?username=alice")

    assert (answer.status, answer.errcode) == (400, "M_USER_IN_USE")
    assert (asked.status, asked.errcode) == (400, "M_USER_IN_USE")


async def test_a_free_user_name_is_available(server: UserApiServer) -> None:
    free = await server.client.get(f"{V3}/register/available?username=alice")
    invalid = await server.client.get(f"{V3}/register/available?username=a%20b")
    missing = await server.client.get(f"{V3}/register/available")

    assert free.json == {"available": True}
    assert (invalid.status, invalid.errcode) == (400, "M_INVALID_USERNAME")
    assert (missing.status, missing.errcode) == (400, "M_MISSING_PARAM")


async def test_a_user_name_is_made_up_where_none_is_given(server: UserApiServer) -> None:
    body = {"password": PASSWORD, "auth": DUMMY}

    first = await server.client.post(f"{V3}/register", body)
    second = await server.client.post(f"{V3}/register", body)

    assert first.json["user_id"] != second.json["user_id"]


async def test_a_login_can_be_left_out(server: UserApiServer) -> None:
    answer = await server.register("alice", inhibit_login=True)

    assert answer.json == {"user_id": "@alice:xylem.test", "home_server": "xylem.test"}
    assert (await server.login("alice")).status == 200


@pytest.mark.parametrize(
    ("fields", "errcode"),
    [
        ({"username": 5}, "M_BAD_JSON"),
        ({"password": 5}, "M_BAD_JSON"),
        ({"password": "short"}, "M_WEAK_PASSWORD"),
        ({"auth": "dummy"}, "M_BAD_JSON"),
        ({"auth": {"type": 5}}, "M_BAD_JSON"),
        ({"auth": {"type": "m.login.dummy", "session": 5}}, "M_BAD_JSON"),
        ({"device_id": 5}, "M_BAD_JSON"),
        ({"device_id": "x" * 256}, "M_INVALID_PARAM"),
        ({"initial_device_display_name": {}}, "M_BAD_JSON"),
        ({"inhibit_login": "no"}, "M_BAD_JSON"),
    ],
)
async def test_a_malformed_registration_is_refused(
    server: UserApiServer, fields: dict[str, Any], errcode: str
) -> None:
    body = {"username": "alice", "password": PASSWORD, "auth": DUMMY, **fields}

    answer = await server.client.post(f"{V3}/register", body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_a_registration_needs_a_password(server: UserApiServer) -> None:
    body = {"username": "alice", "auth": DUMMY}

    answer = await server.client.post(f"{V3}/register", body)

    assert (answer.status, answer.errcode) == (400, "M_MISSING_PARAM")


async def test_a_closed_server_registers_nobody(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, registration="closed") as server:
        answers = [
            await server.register("alice"),
            await server.client.get(f"{V3}/register/available?username=alice"),
            await server.client.get(
                "/_matrix/client/v1/register/m.login.registration_token/validity?token=x"
            ),
            await server.client.post(f"{V3}/register?kind=guest", {}),
        ]

        assert {(answer.status, answer.errcode) for answer in answers} == {(403, "M_FORBIDDEN")}


async def test_registrations_are_limited_per_address(deployment: Deployment, log: Log) -> None:
    rate = Rate(per_second=1, burst=1)
    async with deployment.start(log, registration_rate_per_address=rate) as server:
        assert (await server.register("alice")).status == 200

        assert (await server.register("bob")).status == 429


async def test_a_registration_token_is_good_for_so_many_accounts(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(
        log, registration="token", registration_tokens=(RegistrationToken("t0ken", 1),)
    ) as server:
        auth = {"type": "m.login.registration_token", "token": "t0ken"}
        assert await _is_valid(server, "t0ken")
        assert (await server.register("alice")).status == 401
        assert (await server.register("alice", auth=auth)).status == 200

        used = await server.register("bob", auth=auth)

        assert (used.status, used.errcode) == (401, "M_FORBIDDEN")
        assert not await _is_valid(server, "t0ken")


async def test_a_registration_token_expires(deployment: Deployment, log: Log) -> None:
    token = RegistrationToken("t0ken", expires_at_ms=deployment.clock.now_ms() + 1000)
    async with deployment.start(log, registration="token", registration_tokens=(token,)) as server:
        assert await _is_valid(server, "t0ken")

        deployment.clock.advance_ms(1000)

        assert not await _is_valid(server, "t0ken")
        assert not await _is_valid(server, "another")


async def _is_valid(server: UserApiServer, token: str) -> bool:
    answer = await server.client.get(
        f"/_matrix/client/v1/register/m.login.registration_token/validity?token={token}"
    )
    assert answer.status == 200
    is_valid: bool = answer.json["valid"]
    return is_valid


async def test_a_guest_gets_a_device_and_cannot_do_everything(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, registration="closed", guests_allowed=True) as server:
        answer = await server.client.post(
            f"{V3}/register?kind=guest", {"username": "alice", "device_id": "MINE"}
        )

        assert answer.status == 200
        assert answer.json["user_id"] != "@alice:xylem.test"
        assert answer.json["device_id"] != "MINE"
        guest = User(server, answer.json)
        assert (await guest.client.get(f"{V3}/account/whoami")).json["is_guest"] is True
        assert (await guest.client.get(f"{V3}/devices")).status == 200
        refused = await guest.client.get(f"{V3}/user/{guest.user_id}/account_data/a")
        assert (refused.status, refused.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")
        assert (await guest.client.post(f"{V3}/logout")).status == 200


async def test_an_unknown_kind_of_account_is_refused(server: UserApiServer) -> None:
    answer = await server.client.post(f"{V3}/register?kind=robot", {})

    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")


async def test_readers_hear_of_the_first_data_of_a_user(server: UserApiServer) -> None:
    await server.register("alice", inhibit_login=True)
    await server.api._announcer.send_all()

    rules, name = await server.announced(2)

    assert isinstance(rules, AccountDataChanged)
    assert (rules.user_id, rules.type, rules.room_id) == ("@alice:xylem.test", "m.push_rules", None)
    assert name == ProfileChanged("@alice:xylem.test", "displayname", b'"alice"')


async def test_other_components_create_accounts(server: UserApiServer) -> None:
    made = await server.api.accounts.perform_create_account(
        localpart="alice", password=None, is_admin=True, display_name="Alice"
    )

    assert await server.api.accounts.query_account_exists(user_id=made.user_id)
    assert not await server.api.accounts.query_account_exists(user_id=UserID("@bob:xylem.test"))
    assert made.access_token is not None
    requester = await server.api.authentication.query_token(access_token=made.access_token)
    assert requester.is_admin
    assert (await server.login("alice", "")).status == 403


def _signed(nonce: str, **fields: Any) -> dict[str, Any]:
    body = {"nonce": nonce, "username": "root", "password": PASSWORD, "admin": True, **fields}
    role = "admin" if body["admin"] else "notadmin"
    parts = [nonce, body["username"], body["password"], role]
    if "user_type" in body:
        parts.append(body["user_type"])
    text = "\0".join(parts).encode()
    return {"mac": hmac.new(SECRET.encode(), text, hashlib.sha1).hexdigest(), **body}


@pytest.mark.parametrize("more", [{}, {"admin": False}, {"user_type": "bot"}])
async def test_the_shared_secret_makes_accounts(
    deployment: Deployment, log: Log, more: dict[str, Any]
) -> None:
    async with deployment.start(
        log, registration="closed", registration_shared_secret=SECRET
    ) as server:
        nonce = (await server.client.get("/_synapse/admin/v1/register")).json["nonce"]
        body = _signed(nonce, **more)

        answer = await server.client.post("/_synapse/admin/v1/register", body)
        again = await server.client.post("/_synapse/admin/v1/register", body)

        assert answer.status == 200
        assert answer.json["user_id"] == "@root:xylem.test"
        assert answer.json["home_server"] == "xylem.test"
        requester = await server.api.authentication.query_token(
            access_token=answer.json["access_token"]
        )
        assert requester.is_admin is body["admin"]
        assert requester.device_id == answer.json["device_id"]
        assert (again.status, again.errcode) == (400, "M_UNKNOWN")


@pytest.mark.parametrize(
    ("change", "status", "errcode"),
    [
        ({"mac": "0" * 40}, 403, "M_FORBIDDEN"),
        ({"mac": "é"}, 403, "M_FORBIDDEN"),
        ({"mac": 1}, 400, "M_BAD_JSON"),
        ({"mac": None}, 400, "M_MISSING_PARAM"),
        ({"nonce": "x" * 10_000}, 400, "M_UNKNOWN"),
        ({"nonce": "\0"}, 400, "M_UNKNOWN"),
        ({"username": "root\0"}, 400, "M_INVALID_PARAM"),
        ({"admin": "yes"}, 400, "M_BAD_JSON"),
        ({"user_type": "king"}, 400, "M_INVALID_PARAM"),
    ],
)
async def test_a_wrongly_signed_registration_is_refused(
    deployment: Deployment, log: Log, change: dict[str, Any], status: int, errcode: str
) -> None:
    async with deployment.start(log, registration_shared_secret=SECRET) as server:
        nonce = (await server.client.get("/_synapse/admin/v1/register")).json["nonce"]

        answer = await server.client.post(
            "/_synapse/admin/v1/register", {**_signed(nonce), **change}
        )

        assert (answer.status, answer.errcode) == (status, errcode)


async def test_without_a_shared_secret_there_is_no_such_registration(
    server: UserApiServer,
) -> None:
    nonce = await server.client.get("/_synapse/admin/v1/register")
    answer = await server.client.post("/_synapse/admin/v1/register", _signed("x"))

    assert (nonce.status, nonce.errcode) == (400, "M_UNKNOWN")
    assert (answer.status, answer.errcode) == (400, "M_UNKNOWN")
