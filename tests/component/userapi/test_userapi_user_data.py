"""Profiles, filters, account data, push rules, and what the server tells of itself."""

from typing import Any

import pytest

from base.limits import Rate
from logs.log import Log
from logs.records.client_data import AccountDataChanged, ProfileChanged
from matrix.errors import (
    BadJson,
    InvalidParam,
    KeyTooLarge,
    MatrixError,
    NotFound,
    ProfileTooLarge,
)
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

ALICE = UserID("@alice:xylem.test")
ROOM = "!room:xylem.test"


def account_data(user_id: str, data_type: str, room_id: str | None = None) -> str:
    """Return the path of account data."""
    room = "" if room_id is None else f"/rooms/{room_id}"
    return f"{V3}/user/{user_id}{room}/account_data/{data_type}"


async def test_a_profile_begins_with_the_localpart_as_the_name(
    server: UserApiServer, alice: User
) -> None:
    profile = await server.client.get(f"{V3}/profile/{alice.user_id}")
    name = await server.client.get(f"{V3}/profile/{alice.user_id}/displayname")

    assert profile.json == {"displayname": "alice"}
    assert name.json == {"displayname": "alice"}


async def test_a_profile_field_is_set_and_removed(server: UserApiServer, alice: User) -> None:
    profiles = server.api.profiles
    value = {"deep": [1, 2**70, 1.5, None]}

    assert await profiles.perform_set_profile_field(
        user_id=ALICE, field="org.example.job", value=value
    )
    assert not await profiles.perform_set_profile_field(
        user_id=ALICE, field="org.example.job", value=value
    )
    stored = await server.client.get(f"{V3}/profile/{alice.user_id}/org.example.job")
    assert stored.status == 200
    assert (await profiles.query_profile(user_id=ALICE))["org.example.job"] == value

    assert await profiles.perform_set_profile_field(
        user_id=ALICE, field="org.example.job", value=None
    )
    assert await profiles.query_profile(user_id=ALICE) == {"displayname": "alice"}
    await server.api._announcer.send_all()
    records = await server.all_announced()
    assert records[-1] == ProfileChanged(alice.user_id, "org.example.job", b"null")


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("displayname", 5, BadJson),
        ("avatar_url", {}, BadJson),
        ("Upper", "x", InvalidParam),
        ("a\0", "x", InvalidParam),
        ("", "x", InvalidParam),
        ("a" * 256, "x", KeyTooLarge),
        ("org.example.big", "x" * 65_536, ProfileTooLarge),
    ],
)
async def test_an_impossible_profile_field_is_refused(
    server: UserApiServer, alice: User, field: str, value: Any, error: type[MatrixError]
) -> None:
    with pytest.raises(error):
        await server.api.profiles.perform_set_profile_field(
            user_id=UserID(alice.user_id), field=field, value=value
        )


async def test_a_profile_holds_just_under_64_kib(server: UserApiServer, alice: User) -> None:
    profiles, user_id = server.api.profiles, UserID(alice.user_id)
    rest = 65_536 - len('{"displayname":"alice","org.example.big":""}')

    with pytest.raises(ProfileTooLarge):
        await profiles.perform_set_profile_field(
            user_id=user_id, field="org.example.big", value="x" * (rest + 1)
        )
    assert await profiles.perform_set_profile_field(
        user_id=user_id, field="org.example.big", value="x" * rest
    )


@pytest.mark.parametrize(
    ("path", "status", "errcode"),
    [
        ("@bob:xylem.test", 404, "M_NOT_FOUND"),
        ("@alice:elsewhere.test", 404, "M_NOT_FOUND"),
        ("@alice:xylem.test/avatar_url", 404, "M_NOT_FOUND"),
        ("alice", 400, "M_INVALID_PARAM"),
        ("@al%00ice:xylem.test", 400, "M_INVALID_PARAM"),
    ],
)
async def test_a_profile_that_is_not_there_is_not_found(
    server: UserApiServer, alice: User, path: str, status: int, errcode: str
) -> None:
    answer = await server.client.get(f"{V3}/profile/{path}")

    assert alice.user_id == ALICE
    assert (answer.status, answer.errcode) == (status, errcode)


async def test_nobody_without_an_account_has_a_profile_to_set(server: UserApiServer) -> None:
    with pytest.raises(NotFound):
        await server.api.profiles.perform_set_profile_field(
            user_id=ALICE, field="displayname", value="Alice"
        )


async def test_a_filter_is_given_back_as_it_was_stored(server: UserApiServer, alice: User) -> None:
    definition = {"room": {"timeline": {"limit": 10}}, "org.other": 2**70}
    body = b'{"room":{"timeline":{"limit":10}},"org.other":1180591620717411303424}'

    stored = await alice.client.post(f"{V3}/user/{alice.user_id}/filter", body=body)
    again = await alice.client.post(f"{V3}/user/{alice.user_id}/filter", body=body)

    filter_id = stored.json["filter_id"]
    assert again.json["filter_id"] == filter_id
    answer = await alice.client.get(f"{V3}/user/{alice.user_id}/filter/{filter_id}")
    assert answer.status == 200
    queried = await server.api.filters.query_filter(user_id=ALICE, filter_id=filter_id)
    assert queried == definition


@pytest.mark.parametrize(
    ("definition", "status", "errcode"),
    [
        ({"room": []}, 400, "M_BAD_JSON"),
        ({"room": {"timeline": {"limit": "10"}}}, 400, "M_BAD_JSON"),
        ({"presence": {"types": "m.presence"}}, 400, "M_BAD_JSON"),
        ({"event_fields": [1]}, 400, "M_BAD_JSON"),
        ({"org.example": "x" * 65_536}, 413, "M_TOO_LARGE"),
        ([], 400, "M_BAD_JSON"),
    ],
)
async def test_what_is_no_filter_is_refused(
    alice: User, definition: Any, status: int, errcode: str
) -> None:
    answer = await alice.client.post(f"{V3}/user/{alice.user_id}/filter", definition)

    assert (answer.status, answer.errcode) == (status, errcode)


@pytest.mark.parametrize("filter_id", ["0", "x" * 16, "%7B%7D"])
async def test_a_filter_that_is_not_there_is_not_found(alice: User, filter_id: str) -> None:
    answer = await alice.client.get(f"{V3}/user/{alice.user_id}/filter/{filter_id}")

    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_the_oldest_filter_gives_way(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, filters_max=2) as server:
        alice = await server.user("alice")
        path = f"{V3}/user/{alice.user_id}/filter"
        filter_ids = []
        for number in range(3):
            stored = await alice.client.post(path, {"org.number": number})
            filter_ids.append(stored.json["filter_id"])
            server.clock.advance_ms(1)

        answers = [await alice.client.get(f"{path}/{filter_id}") for filter_id in filter_ids]

        assert [answer.status for answer in answers] == [404, 200, 200]


async def test_the_data_of_another_user_is_out_of_reach(alice: User, bob: User) -> None:
    answers = [
        await bob.client.post(f"{V3}/user/{alice.user_id}/filter", {}),
        await bob.client.get(f"{V3}/user/{alice.user_id}/filter/0"),
        await bob.client.put(account_data(alice.user_id, "a"), {}),
        await bob.client.get(account_data(alice.user_id, "m.push_rules")),
        await bob.client.get(account_data(alice.user_id, "a", ROOM)),
    ]

    assert {(answer.status, answer.errcode) for answer in answers} == {(403, "M_FORBIDDEN")}


@pytest.mark.parametrize("room_id", [None, ROOM])
async def test_account_data_is_stored_and_announced(
    server: UserApiServer, alice: User, room_id: str | None
) -> None:
    path = account_data(alice.user_id, "org.example.setting", room_id)
    for value in (1, 2):
        assert (await alice.client.put(path, {"value": value})).status == 200
    await server.api._announcer.send_all()

    answer = await alice.client.get(path)
    records = await server.all_announced()

    assert answer.json == {"value": 2}
    assert records[-2:] == [
        AccountDataChanged(
            user_id=alice.user_id,
            type="org.example.setting",
            content=b'{"value":%d}' % value,
            room_id=room_id,
        )
        for value in (1, 2)
    ]
    other = account_data(alice.user_id, "org.example.setting", ROOM if room_id is None else None)
    assert (await alice.client.get(other)).status == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "errcode"),
    [
        (account_data(ALICE, "a"), [], 400, "M_BAD_JSON"),
        (account_data(ALICE, "a%00"), {}, 400, "M_INVALID_PARAM"),
        (account_data(ALICE, "a" * 256), {}, 400, "M_INVALID_PARAM"),
        (account_data(ALICE, "a", "room"), {}, 400, "M_INVALID_PARAM"),
        (account_data(ALICE, "a", "!a%00:xylem.test"), {}, 400, "M_INVALID_PARAM"),
        (account_data(ALICE, "a"), {"big": "x" * 65_536}, 413, "M_TOO_LARGE"),
        (account_data(ALICE, "m.push_rules"), {}, 405, "M_BAD_JSON"),
        (account_data(ALICE, "m.fully_read", ROOM), {}, 405, "M_BAD_JSON"),
    ],
)
async def test_impossible_account_data_is_refused(
    alice: User, path: str, body: Any, status: int, errcode: str
) -> None:
    answer = await alice.client.put(path, body)

    assert (answer.status, answer.errcode) == (status, errcode)


async def test_there_is_an_end_to_account_data(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, account_data_types_max=2) as server:
        alice = await server.user("alice")
        assert (await alice.client.put(account_data(ALICE, "a"), {})).status == 200

        refused = await alice.client.put(account_data(ALICE, "b"), {})

        assert (refused.status, refused.errcode) == (413, "M_TOO_LARGE")
        assert (await alice.client.put(account_data(ALICE, "a"), {})).status == 200


async def test_the_default_push_rules_are_about_the_user(alice: User) -> None:
    answer = await alice.client.get(f"{V3}/pushrules/")
    of_old = await alice.client.get("/_matrix/client/r0/pushrules")
    rules = await alice.client.get(f"{V3}/pushrules/global/")

    assert answer.status == 200
    assert of_old.json == answer.json
    assert rules.json == answer.json["global"]
    assert [len(rules.json[kind]) for kind in ("override", "content", "underride")] == [10, 0, 5]
    invite = next(
        rule for rule in rules.json["override"] if rule["rule_id"] == ".m.rule.invite_for_me"
    )
    assert invite["conditions"][2]["pattern"] == alice.user_id
    stored = await alice.client.get(account_data(alice.user_id, "m.push_rules"))
    assert stored.json == answer.json


async def test_the_server_tells_which_versions_it_speaks(server: UserApiServer) -> None:
    answer = await server.client.get("/_matrix/client/versions")

    assert {"r0.6.1", "v1.1"} <= set(answer.json["versions"])
    assert answer.json["unstable_features"]["org.matrix.msc3440.stable"] is True


async def test_the_server_tells_what_it_can_do(alice: User) -> None:
    answer = await alice.client.get(f"{V3}/capabilities")

    capabilities = answer.json["capabilities"]
    assert capabilities["m.room_versions"]["default"] == "12"
    assert set(capabilities["m.room_versions"]["available"]) == {str(n) for n in range(1, 13)}
    assert capabilities["m.change_password"] == {"enabled": True}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("voip/turnServer", {}),
        ("thirdparty/protocols", {}),
        ("account/3pid", {"threepids": []}),
        ("pushers", {"pushers": []}),
    ],
)
async def test_what_the_server_does_not_have_is_empty(
    server: UserApiServer, alice: User, path: str, expected: dict[str, Any]
) -> None:
    answer = await alice.client.get(f"{V3}/{path}")
    without_token = await server.client.get(f"{V3}/{path}")

    assert (answer.status, answer.json) == (200, expected)
    assert without_token.errcode == "M_MISSING_TOKEN"


async def test_a_server_without_a_public_address_has_no_discovery(server: UserApiServer) -> None:
    answer = await server.client.get("/.well-known/matrix/client")

    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_all_account_data_of_a_user_together_has_an_end(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, account_data_bytes_max=10_000) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        large, small = {"text": "x" * 3000}, {"text": "x"}
        first = await alice.client.put(account_data(ALICE, "a"), large)
        second = await alice.client.put(account_data(ALICE, "b", ROOM), large)

        refused = await alice.client.put(account_data(ALICE, "c"), large)
        tagged = await alice.client.put(
            f"{V3}/user/{alice.user_id}/rooms/{ROOM}/tags/big", {"note": "x" * 5000}
        )
        others = await bob.client.put(account_data(bob.user_id, "c"), large)
        smaller = await alice.client.put(account_data(ALICE, "a"), small)
        again = await alice.client.put(account_data(ALICE, "c"), large)

    assert (first.status, second.status) == (200, 200)
    assert (refused.status, refused.errcode) == (413, "M_TOO_LARGE")
    assert (tagged.status, tagged.errcode) == (413, "M_TOO_LARGE")
    assert (others.status, smaller.status, again.status) == (200, 200, 200)


async def test_who_changes_their_data_too_often_has_to_wait(
    deployment: Deployment, log: Log
) -> None:
    rate = Rate(per_second=0.001, burst=3)
    async with deployment.start(log, request_rate_per_user=rate) as server:
        alice = await server.user("alice")
        tag = f"{V3}/user/{alice.user_id}/rooms/{ROOM}/tags/m.favourite"
        answers = [
            await alice.client.put(account_data(ALICE, "a"), {}),
            await alice.client.post(f"{V3}/user/{alice.user_id}/filter", {}),
            await alice.client.put(tag, {}),
            await alice.client.delete(tag),
        ]

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].errcode == "M_LIMIT_EXCEEDED"
