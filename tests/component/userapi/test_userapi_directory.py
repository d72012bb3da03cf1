"""Who is found by which words, and how users prove to others who they are."""

import pytest

from internalapi.userapi import FoundUser, FoundUsers
from logs.log import Log
from matrix.errors import UnknownToken
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import V3, Deployment, User, UserApiServer

SEARCHER = UserID("@searcher:xylem.test")


async def search(
    server: UserApiServer,
    term: str,
    *,
    searcher: str = SEARCHER,
    skipped: int = 0,
    limit: int = 10,
) -> FoundUsers:
    return await server.api.user_directory.query_users(
        searcher=UserID(searcher), term=term, skipped=skipped, limit=limit
    )


async def found(
    server: UserApiServer, term: str, *, skipped: int = 0, limit: int = 10
) -> list[str]:
    """Return the localparts of who is found."""
    page = await search(server, term, skipped=skipped, limit=limit)
    return [one.user_id[1:].partition(":")[0] for one in page.users]


async def name(server: UserApiServer, user: User, display_name: str | None) -> None:
    await server.api.profiles.perform_set_profile_field(
        user_id=UserID(user.user_id), field="displayname", value=display_name
    )


async def test_users_are_found_by_the_beginnings_of_words(server: UserApiServer, bob: User) -> None:
    await name(server, bob, "Bob Ångström")
    await server.api.profiles.perform_set_profile_field(
        user_id=UserID(bob.user_id), field="avatar_url", value="mxc://xylem.test/bob"
    )

    for term in ("bob", "BO", "ångs", "bob åNG", "ångström bob", "@bob:xylem.test", " bob "):
        assert await found(server, term) == ["bob"]
    for term in ("ob", "bob alice", "", "@", "%", "bob_x"):
        assert await found(server, term) == []
    page = await search(server, "bob")
    assert page.users == [FoundUser(UserID(bob.user_id), "Bob Ångström", "mxc://xylem.test/bob")]


@pytest.mark.parametrize(
    ("display_name", "terms"),
    [
        ("山田太郎", ["山田", "太郎", "田太", "山田太郎"]),
        ("さくら田中Taro", ["さくら", "くら", "田中", "taro", "田中taro"]),
        ("김철수", ["김철수", "철수"]),
        ("สมชาย ใจดี", ["สมชาย", "ชาย", "ใจดี"]),
        ("हिन्दी भाषा", ["हिन्दी", "हिन्", "भाषा"]),
        ("محمد\u200cعلی", ["محمدعلی", "محمد"]),
        ("E\u0301cole", ["école", "E\u0301CO"]),
        ("\uff37\uff49\uff44\uff45", ["wide"]),
        ("🦊 Fox ❤️", ["🦊", "fox", "❤"]),
        ("Strauß", ["strauss", "STRAUẞ"]),
    ],
)
async def test_names_are_found_in_all_scripts(
    server: UserApiServer, bob: User, display_name: str, terms: list[str]
) -> None:
    await name(server, bob, display_name)

    for term in terms:
        assert await found(server, term) == ["bob"], term


async def test_users_are_found_by_the_parts_of_their_ids(server: UserApiServer) -> None:
    await server.register("ann_smith.b-52")

    for term in ("ann", "smith", "52", "@ann_sm", "@ann_smith.b-52:xylem.test"):
        assert await found(server, term) == ["ann_smith.b-52"]


async def test_a_name_that_was_changed_finds_nobody(server: UserApiServer, bob: User) -> None:
    await name(server, bob, "Robert")
    await name(server, bob, None)

    assert await found(server, "robert") == []
    page = await search(server, "bob")
    assert page.users == [FoundUser(UserID(bob.user_id))]


async def test_whole_words_come_first_and_pages_follow_each_other(server: UserApiServer) -> None:
    for username in ("anna", "ann", "annabel"):
        await server.register(username)

    assert await found(server, "ann") == ["ann", "anna", "annabel"]
    assert await found(server, "ann", limit=2) == ["ann", "anna"]
    assert await found(server, "ann", skipped=2, limit=2) == ["annabel"]


async def test_guests_and_users_who_are_gone_are_not_found(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, guests_allowed=True) as server:
        bob = await server.user("bob")
        guest = await server.client.post(f"{V3}/register?kind=guest", {})
        await bob.client.post(f"{V3}/account/deactivate", {"auth": bob.proof()})

        assert await found(server, "bob") == []
        assert await found(server, guest.json["user_id"]) == []


@pytest.mark.parametrize("scope", ["shared", "all"])
async def test_an_operator_chooses_who_is_shown_to_all(
    deployment: Deployment, log: Log, scope: str
) -> None:
    async with deployment.start(log, user_directory=scope) as server:
        bob = await server.user("bob")

        assert (await search(server, "bob")).are_for_all == (scope == "all")
        assert (await search(server, "bob", searcher=bob.user_id)).users == []


async def test_an_operator_may_let_users_be_found_by_their_id_only(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, user_directory="exact") as server:
        await server.user("bob")

        assert await found(server, "bob") == []
        assert await found(server, "@bo:xylem.test") == []
        assert await found(server, "@bob:xylem.test") == ["bob"]
        assert await found(server, "@bob:xylem.test", skipped=1) == []


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
