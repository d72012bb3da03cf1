"""Logging in by password."""

from typing import Any

import pytest

from base.limits import Rate
from logs.log import Log
from tests.component.userapi.userapi_server import PASSWORD, V3, Deployment, User, UserApiServer
from tests.spec.clients import CheckedClient

USER = {"type": "m.id.user", "user": "alice"}


@pytest.mark.parametrize("version", ["r0", "v3"])
async def test_the_login_flows_are_listed(server: UserApiServer, version: str) -> None:
    answer = await server.client.get(f"/_matrix/client/{version}/login")

    assert answer.status == 200
    assert answer.json == {
        "flows": [
            {"type": "m.login.password"},
            {"type": "m.login.token", "get_login_token": True},
        ]
    }


@pytest.mark.parametrize("name", ["alice", "Alice", "@alice:xylem.test", "@ALICE:xylem.test"])
async def test_a_user_logs_in_by_localpart_or_user_id(
    server: UserApiServer, alice: User, name: str
) -> None:
    answer = await server.login(name)

    assert answer.status == 200
    assert answer.json["user_id"] == alice.user_id
    whoami = await server.whoami(answer.json["access_token"])
    assert whoami.json == {
        "user_id": alice.user_id,
        "device_id": answer.json["device_id"],
        "is_guest": False,
    }


async def test_the_legacy_field_user_still_names_the_user(
    server: UserApiServer, alice: User
) -> None:
    answer = await server.client.post(
        "/_matrix/client/r0/login",
        {"type": "m.login.password", "user": "alice", "password": PASSWORD},
    )

    assert answer.status == 200
    assert answer.json["user_id"] == alice.user_id


@pytest.mark.parametrize(
    "name", ["bob", "@alice:elsewhere.test", "", "@", "ali\0ce", "@alice", "alice:xylem.test", "é"]
)
async def test_a_name_without_an_account_is_refused_like_a_wrong_password(
    server: UserApiServer, alice: User, name: str
) -> None:
    wrong = await server.login(alice.user_id, "not the password")
    unknown = await server.login(name)

    assert (unknown.status, unknown.json) == (403, wrong.json)
    assert unknown.errcode == "M_FORBIDDEN"


async def test_a_password_counts_as_a_whole_however_long(server: UserApiServer) -> None:
    password = "x" * 100 + "\0"
    await server.register("alice", password=password)

    assert (await server.login("alice", password)).status == 200
    assert (await server.login("alice", password + "y")).status == 403
    assert (await server.login("alice", "x" * 100)).status == 403


@pytest.mark.parametrize(
    "identifier",
    [
        {"type": "m.id.thirdparty", "medium": "email", "address": "alice@example.org"},
        {"type": "m.id.phone", "country": "GB", "phone": "07700900001"},
    ],
)
async def test_an_unknown_third_party_id_is_refused(
    server: UserApiServer, identifier: dict[str, str]
) -> None:
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    answer = await server.client.post(f"{V3}/login", body)

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"type": 1}, "M_BAD_JSON"),
        ({"type": "m.login.unheard"}, "M_UNKNOWN"),
        ({"type": "m.login.password"}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "identifier": USER}, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "identifier": "alice", "password": "x"}, "M_BAD_JSON"),
        ({"type": "m.login.password", "identifier": {}, "password": "x"}, "M_MISSING_PARAM"),
        (
            {"type": "m.login.password", "identifier": {"type": "m.id.odd"}, "password": "x"},
            "M_INVALID_PARAM",
        ),
        ({"type": "m.login.password", "identifier": USER, "password": []}, "M_BAD_JSON"),
        (
            {"type": "m.login.password", "identifier": USER, "password": "x", "device_id": 7},
            "M_BAD_JSON",
        ),
        (
            {"type": "m.login.password", "identifier": USER, "password": "x", "device_id": "a\0"},
            "M_INVALID_PARAM",
        ),
        (
            {
                "type": "m.login.password",
                "identifier": USER,
                "password": "x",
                "refresh_token": "yes",
            },
            "M_BAD_JSON",
        ),
    ],
)
async def test_a_malformed_login_is_refused(
    server: UserApiServer, body: dict[str, Any], errcode: str
) -> None:
    answer = await server.client.post(f"{V3}/login", body)

    assert (answer.status, answer.errcode) == (400, errcode)


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b'{"a":"\xff"}', "M_NOT_JSON"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    server: UserApiServer, body: bytes, errcode: str
) -> None:
    answer = await server.client.post(f"{V3}/login", body=body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_a_login_on_a_known_device_revokes_its_tokens_and_keeps_its_name(
    server: UserApiServer, alice: User
) -> None:
    first = await server.login("alice", device_id="PHONE", initial_device_display_name="Phone")
    second = await server.login("alice", device_id="PHONE", initial_device_display_name="Other")

    assert second.json["device_id"] == "PHONE"
    revoked = await server.whoami(first.json["access_token"])
    assert (revoked.status, revoked.errcode) == (401, "M_UNKNOWN_TOKEN")
    assert revoked.json["soft_logout"] is False
    device = await alice.client.get(f"{V3}/devices/PHONE")
    assert device.json["display_name"] == "Phone"


async def test_a_user_with_too_many_devices_is_told_so(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, devices_max=2) as server:
        await server.user("alice", device_id="ONE")
        assert (await server.login("alice", device_id="TWO")).status == 200

        refused = await server.login("alice", device_id="THREE")

        assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
        assert (await server.login("alice", device_id="TWO")).status == 200


async def test_logins_are_limited_per_address(deployment: Deployment, log: Log) -> None:
    rate = Rate(per_second=0.5, burst=2)
    async with deployment.start(log, login_rate_per_address=rate) as server:
        await server.user("alice")
        assert (await server.login("alice")).status == 200
        assert (await server.login("bob")).status == 403

        limited = await server.login("alice")

        assert (limited.status, limited.errcode) == (429, "M_LIMIT_EXCEEDED")
        assert limited.json["retry_after_ms"] == 2000
        deployment.clock.advance_ms(2000)
        assert (await server.login("alice")).status == 200


async def test_a_network_of_ipv6_has_the_logins_of_one_address(
    deployment: Deployment, log: Log
) -> None:
    rate = Rate(per_second=0.5, burst=1)
    async with deployment.start(log, login_rate_per_address=rate) as server:
        answers = []
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
            server.client = CheckedClient(server.application, address=address)
            answers.append((await server.login("bob")).status)

    assert answers == [403, 429, 403]


async def test_attempts_at_one_account_are_limited(deployment: Deployment, log: Log) -> None:
    rate = Rate(per_second=1, burst=1)
    async with deployment.start(log, login_rate_per_account=rate) as server:
        await server.user("alice")
        await server.user("bob")
        assert (await server.login("alice", "a guess")).status == 403

        assert (await server.login("alice")).status == 429
        assert (await server.login("bob")).status == 200


async def test_guesses_from_elsewhere_do_not_keep_the_owner_out(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(
        log, login_rate_per_account=Rate(per_second=0.001, burst=2)
    ) as server:
        alice = await server.user("alice")
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": "alice"},
            "password": "a guess",
            "device_id": alice.device_id,
        }
        strangers = [server.client.at(f"198.51.100.{number}") for number in range(3)]

        guesses = [await one.post(f"{V3}/login", body) for one in strangers]
        stranger = await strangers[0].post(f"{V3}/login", {**body, "password": PASSWORD})
        login = await server.login("alice")
        proof = await alice.client.at("203.0.113.1").delete(
            f"{V3}/devices/{login.json['device_id']}", {"auth": alice.proof()}
        )

        assert [guess.status for guess in guesses] == [403, 403, 429]
        assert stranger.status == 429
        assert (login.status, proof.status) == (200, 200)


async def test_the_login_tells_where_the_server_is(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, public_base_url="https://matrix.xylem.test") as server:
        await server.user("alice")

        answer = await server.login("alice")
        discovery = await server.client.get("/.well-known/matrix/client")

        expected = {"m.homeserver": {"base_url": "https://matrix.xylem.test"}}
        assert answer.json["well_known"] == expected
        assert discovery.json == expected


async def test_the_answer_to_no_token_or_an_odd_one_says_which(server: UserApiServer) -> None:
    missing = await server.client.get(f"{V3}/account/whoami")
    unknown = await server.whoami("nonsense")
    odd = await server.client.get(f"{V3}/account/whoami?access_token=%F0%9F%98%80")

    assert (missing.status, missing.errcode) == (401, "M_MISSING_TOKEN")
    assert (unknown.status, unknown.errcode) == (401, "M_UNKNOWN_TOKEN")
    assert (odd.status, odd.errcode) == (401, "M_UNKNOWN_TOKEN")
