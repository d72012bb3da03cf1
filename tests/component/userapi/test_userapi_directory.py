"""How users are found, and how they prove to others who they are."""

from typing import Any

import pytest

from base.http.testing import Answer
from logs.log import Log
from matrix.errors import UnknownToken
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

SEARCH = f"{V3}/user_directory/search"


async def search(user: User, term: str, **fields: Any) -> Answer:
    return await user.client.post(SEARCH, {"search_term": term, **fields})


async def found(user: User, term: str) -> list[str]:
    """Return the localparts of who is found."""
    answer = await search(user, term)
    assert answer.status == 200, answer
    return [one["user_id"][1:].partition(":")[0] for one in answer.json["results"]]


async def name(server: UserApiServer, user: User, display_name: str | None) -> None:
    await server.api.profiles.perform_set_profile_field(
        user_id=UserID(user.user_id), field="displayname", value=display_name
    )


async def test_users_are_found_by_the_beginnings_of_words(
    server: UserApiServer, alice: User, bob: User
) -> None:
    await name(server, bob, "Bob Ångström")
    await server.api.profiles.perform_set_profile_field(
        user_id=UserID(bob.user_id), field="avatar_url", value="mxc://xylem.test/bob"
    )

    for term in ("bob", "BO", "ångs", "bob åNG", "ångström bob", "@bob:xylem.test", " bob "):
        assert await found(alice, term) == ["bob"]
    for term in ("ob", "bob alice", "", "@", "%", "bob_"):
        assert await found(alice, term) == []
    answer = await search(alice, "bob")
    assert answer.json == {
        "results": [
            {
                "user_id": bob.user_id,
                "display_name": "Bob Ångström",
                "avatar_url": "mxc://xylem.test/bob",
            }
        ],
        "limited": False,
    }


async def test_a_name_that_was_changed_finds_nobody(
    server: UserApiServer, alice: User, bob: User
) -> None:
    await name(server, bob, "Robert")
    await name(server, bob, None)

    assert await found(alice, "robert") == []
    answer = await search(alice, "bob")
    assert answer.json["results"] == [{"user_id": bob.user_id}]


async def test_whole_words_come_first_and_the_list_has_an_end(
    server: UserApiServer, alice: User
) -> None:
    for username in ("anna", "ann", "annabel"):
        await server.register(username)

    assert await found(alice, "ann") == ["ann", "anna", "annabel"]
    limited = await search(alice, "ann", limit=2)
    whole = await search(alice, "ann", limit=3)

    assert (len(limited.json["results"]), limited.json["limited"]) == (2, True)
    assert (len(whole.json["results"]), whole.json["limited"]) == (3, False)


async def test_guests_and_users_who_are_gone_are_not_found(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, guests_allowed=True) as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        guest = await server.client.post(f"{V3}/register?kind=guest", {})
        await bob.client.post(f"{V3}/account/deactivate", {"auth": bob.proof()})

        assert await found(alice, "bob") == []
        assert await found(alice, guest.json["user_id"]) == []


async def test_an_operator_may_let_users_be_found_by_their_id_only(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, user_directory="exact") as server:
        alice = await server.user("alice")
        await server.user("bob")

        assert await found(alice, "bob") == []
        assert await found(alice, "@bo:xylem.test") == []
        assert await found(alice, "@bob:xylem.test") == ["bob"]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"search_term": 5}, "M_BAD_JSON"),
        ({"search_term": "a", "limit": "10"}, "M_BAD_JSON"),
        ({"search_term": "a", "limit": -1}, "M_INVALID_PARAM"),
        ({"search_term": "a" * 513}, "M_INVALID_PARAM"),
    ],
)
async def test_a_malformed_search_is_refused(
    alice: User, body: dict[str, Any], errcode: str
) -> None:
    answer = await alice.client.post(SEARCH, body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_an_openid_token_names_its_user_until_it_expires(
    server: UserApiServer, alice: User
) -> None:
    path = f"{V3}/user/{alice.user_id}/openid/request_token"

    answer = await alice.client.post(path, {})

    token = answer.json.pop("access_token")
    assert answer.status == 200
    assert {**answer.json, "access_token": token} == {
        "access_token": token,
        "token_type": "Bearer",
        "matrix_server_name": "xylem.test",
        "expires_in": 3600,
    }
    tokens = server.api.openid_tokens
    assert await tokens.query_openid_user(access_token=token) == alice.user_id
    assert (await server.whoami(token)).status == 401
    by_token = await server.client.post(f"{V3}/login", {"type": "m.login.token", "token": token})
    assert by_token.status == 403
    server.clock.advance_ms(3_600_000)
    with pytest.raises(UnknownToken):
        await tokens.query_openid_user(access_token=token)


async def test_an_openid_token_of_another_user_is_not_given(alice: User, bob: User) -> None:
    answer = await bob.client.post(f"{V3}/user/{alice.user_id}/openid/request_token", {})

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
