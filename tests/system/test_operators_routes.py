"""What operators' programs call of a server that runs: how it is, accounts, registration tokens."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.system.client import PASSWORD, V3, Client, Homeserver, Refused
from tests.system.follower import follower_of, following
from tests.system.server_process import SHARED_SECRET, ServerProcess

NEW_PASSWORD = "another rabbit hole"
TOKEN = "a token that operators know"
Asked = tuple[int, Any]
Operator = Callable[..., Awaitable[Asked]]
_test_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A monolith with a second listener for operators, for all tests here."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "token").write_text(f"{TOKEN}\n")
    process = ServerProcess(
        folder,
        {
            "listeners": [
                {"port": 0, "apis": ["client", "health"], "max_connections": 1000},
                {"port": 0, "apis": ["operators", "metrics"], "max_connections": 100},
            ],
            "operators": {"token_path": str(folder / "token")},
            "userapi": {
                "registration": "token",
                "registration_shared_secret": SHARED_SECRET,
                "registration_rate_per_address": None,
                "bcrypt_cost": 4,
            },
        },
    )
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def private_url(server: ServerProcess) -> str:
    """The URL of the operators' listener."""
    return str(server.wait_for_line("Listening")["url"])


@pytest.fixture
def homeserver(server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    """The server as the clients of one test see it, who have names of their own."""
    suffix = f".{next(_test_numbers)}"
    return Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET, name_suffix=suffix)


@pytest.fixture
def operator(private_url: str, http: aiohttp.ClientSession) -> Operator:
    """Call a route as an operator, and give status and body."""

    async def call(method: str, path: str, body: Any = None, *, token: str = TOKEN) -> Asked:
        headers = {"Authorization": f"Bearer {token}"}
        async with http.request(
            method, f"{private_url}/_xylem/v1{path}", json=body, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    return call


async def refused(call: Any) -> str | None:
    """Return the error code that a call ends with."""
    with pytest.raises(Refused) as refusal:
        await call
    return refusal.value.errcode


def following_until_refused(client: Client) -> "asyncio.Task[str | None]":
    """Return a task that syncs until that is refused, and ends with the error code."""

    async def follow() -> str | None:
        since = None
        while True:
            try:
                since = (await client.sync(since, timeout_ms=60_000))["next_batch"]
            except Refused as refusal:
                return refusal.errcode

    return asyncio.create_task(follow())


async def test_the_status_tells_what_a_process_needs_and_how_far_it_has_read(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice")
    await alice.create_room()

    status, found = await operator("GET", "/status")

    assert (status, found["is_ready"], found["is_stopping"]) == (200, True, False)
    assert "userapi" in found["components"]
    assert {"log", "userapi database"} <= {
        one["name"] for one in found["dependencies"] if one["is_well"]
    }
    [rooms] = [one for one in found["consumers"] if one["consumer"] == "roomserver"]
    [partition] = rooms["partitions"]
    assert rooms["topic"] == "InputRoomEvent"
    assert (partition["position"] > 0, partition["lag"]) == (True, 0)
    assert {one["folder"] for one in found["disks"]} == {"log", "databases"}
    assert all(0 < one["free_bytes"] <= one["total_bytes"] for one in found["disks"])
    assert all(one["version"] >= 1 for one in found["schemas"])
    assert "roomserver" in {one["database"] for one in found["schemas"]}


async def test_the_status_is_told_also_when_a_disk_cannot_be_looked_at(
    operator: Operator, server: ServerProcess
) -> None:
    databases = server.folder / "data/databases"
    away = databases.rename(databases.with_name("away"))
    try:
        status, found = await operator("GET", "/status")
    finally:
        away.rename(databases)

    assert (status, [one["folder"] for one in found["disks"]]) == (200, ["log"])


async def test_clients_reach_nothing_of_it(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    for path in ("v1/status", "v1/accounts", "docs", "openapi.json"):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.get(f"{server.url}/_xylem/{path}", headers=headers) as answer:
            assert (answer.status, (await answer.json())["errcode"]) == (404, "M_UNRECOGNIZED")


async def test_an_administrators_access_token_is_not_the_operators(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice", admin=True)

    status, body = await operator("GET", "/accounts", token=alice.token)

    assert (status, body["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_accounts_are_listed_page_by_page_and_shown(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice", admin=True)
    bob = await homeserver.register_with_secret("bob")

    listed, after = [], ""
    while after is not None:
        _, page = await operator("GET", f"/accounts?limit=1&after={after}")
        listed += page["accounts"]
        after = page["next_after"]
    status, shown = await operator("GET", f"/accounts/{bob.user_id}")

    facts = {one["user_id"]: one for one in listed}
    assert list(facts) == sorted(facts)
    assert (facts[alice.user_id]["is_admin"], facts[bob.user_id]["is_admin"]) == (True, False)
    assert (status, shown["account"]) == (200, facts[bob.user_id])
    assert [one["last_seen_address"] for one in shown["devices"]] == ["127.0.0.1"]


async def test_a_locked_account_is_refused_by_the_next_request(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice")
    await alice.sync()

    _, locked = await operator("PATCH", f"/accounts/{alice.user_id}", {"is_locked": True})
    assert locked["is_locked"]
    assert await refused(alice.call("GET", "/account/whoami")) == "M_USER_LOCKED"

    _, free = await operator("PATCH", f"/accounts/{alice.user_id}", {"is_locked": False})
    assert not free["is_locked"]
    await alice.sync()


async def test_an_account_is_suspended_and_promoted_at_once(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice")

    _, changed = await operator(
        "PATCH", f"/accounts/{alice.user_id}", {"is_suspended": True, "is_admin": True}
    )

    assert (changed["is_suspended"], changed["is_admin"]) == (True, True)
    assert await refused(alice.create_room()) == "M_USER_SUSPENDED"


async def test_a_reset_password_signs_out_whoever_knew_the_old_one(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice")
    bob = await homeserver.register_with_secret("bob")
    poll = following_until_refused(alice)
    reset = {"password": NEW_PASSWORD}

    await operator("POST", f"/accounts/{alice.user_id}/reset-password", reset)
    await operator(
        "POST", f"/accounts/{bob.user_id}/reset-password", reset | {"keep_devices": True}
    )

    assert await poll == "M_UNKNOWN_TOKEN"
    assert await refused(homeserver.login("alice", password=PASSWORD)) == "M_FORBIDDEN"
    await homeserver.login("alice", password=NEW_PASSWORD)
    await homeserver.login("bob", password=NEW_PASSWORD)
    await bob.sync()


async def test_who_is_deactivated_leaves_all_rooms(
    operator: Operator, homeserver: Homeserver
) -> None:
    alice = await homeserver.register_with_secret("alice")
    bob = await homeserver.register_with_secret("bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    follower = await follower_of(alice)

    async with following(follower):
        assert await operator("POST", f"/accounts/{bob.user_id}/deactivate", {}) == (200, {})
        await follower.until(lambda: bool(follower.rooms.get(room_id)))

    [left] = follower.rooms[room_id]
    assert (left["state_key"], left["content"]["membership"]) == (bob.user_id, "leave")
    assert await refused(homeserver.login("bob")) == "M_USER_DEACTIVATED"
    status, body = await operator("PATCH", f"/accounts/{bob.user_id}", {"is_locked": True})
    assert (status, body["errcode"]) == (404, "M_NOT_FOUND")


async def test_registration_tokens_are_made_shown_and_revoked(
    operator: Operator, homeserver: Homeserver
) -> None:
    _, made = await operator("POST", "/registration-tokens", {"uses_allowed": 2})
    token = made["token"]

    assert await register(homeserver, "alice", token) == 200
    _, listed = await operator("GET", "/registration-tokens")
    assert {"token": token, "uses": 1, "uses_allowed": 2, "expires_at_ms": None} in listed["tokens"]
    assert await operator("DELETE", f"/registration-tokens/{token}") == (200, {})
    assert await register(homeserver, "bob", token) == 401
    status, body = await operator("DELETE", f"/registration-tokens/{token}")
    assert (status, body["errcode"]) == (404, "M_NOT_FOUND")


async def register(homeserver: Homeserver, name: str, token: str) -> int:
    body = {"username": name, "password": PASSWORD}
    _, asked = await homeserver.once("POST", f"{V3}/register", body=body)
    auth = {"type": "m.login.registration_token", "session": asked["session"], "token": token}
    status, _ = await homeserver.once("POST", f"{V3}/register", body=body | {"auth": auth})
    return status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/accounts/nobody", {}),
        ("/accounts/nobody", {"is_locked": "yes"}),
        ("/accounts/nobody", {"is_deactivated": True}),
        ("/accounts/nobody", []),
    ],
)
async def test_a_change_that_is_none_is_refused(operator: Operator, path: str, body: Any) -> None:
    status, answer = await operator("PATCH", path, body)

    assert (status, answer["errcode"]) == (400, "M_INVALID_PARAM")


async def test_media_of_a_user_is_quarantined_and_deleted(
    operator: Operator, homeserver: Homeserver, server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    alice = await homeserver.register_with_secret("alice")
    headers = {"Authorization": f"Bearer {alice.token}"}
    url = f"{server.url}/_matrix/media/v3/upload"
    async with http.post(url, data=b"a picture", headers=headers) as answer:
        path = (await answer.json())["content_uri"].removeprefix("mxc://")

    async def download() -> int:
        url = f"{server.url}/_matrix/client/v1/media/download/{path}"
        async with http.get(url, headers=headers) as answer:
            return answer.status

    _, listed = await operator("GET", f"/media?user={quote(alice.user_id)}")
    quarantined = await operator("POST", "/media/quarantine", {"user": alice.user_id})
    while_quarantined = await download()
    lifted = await operator("POST", "/media/lift-quarantine", {"user": alice.user_id})
    once_lifted = await download()
    deleted = await operator("POST", "/media/delete", {"user": alice.user_id})

    assert [one["media_id"] for one in listed["media"]] == [path.partition("/")[2]]
    assert quarantined == lifted == (200, {"changed": 1})
    assert (while_quarantined, once_lifted) == (404, 200)
    assert deleted == (200, {"deleted": 1})
    assert await download() == 404


async def test_all_that_is_served_is_described_and_counted_by_its_route(
    operator: Operator, private_url: str, http: aiohttp.ClientSession
) -> None:
    await operator("GET", "/accounts/nobody")

    async with http.get(f"{private_url}/_xylem/openapi.json") as answer:
        document = await answer.json()
    async with http.get(f"{private_url}/_xylem/docs") as answer:
        page = await answer.text()
    async with http.get(f"{private_url}/metrics") as answer:
        metrics = await answer.text()

    assert {"/_xylem/v1/status", "/_xylem/v1/accounts/{user}"} <= document["paths"].keys()
    assert all(path in page for path in document["paths"])
    assert 'route="/_xylem/v1/accounts/{user}",status="404"' in metrics
