"""What operators do with accounts by commands, beside a server that runs."""

import asyncio
import itertools
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from tests.system.client import PASSWORD, V3, Client, Homeserver, Refused
from tests.system.follower import follower_of, following
from tests.system.server_process import SHARED_SECRET, ServerProcess, xylem

NEW_PASSWORD = "another rabbit hole"
Command = Callable[..., str]
_test_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A monolith at which people register with tokens, for all tests here."""
    accounts = {
        "registration": "token",
        "registration_shared_secret": SHARED_SECRET,
        "registration_rate_per_address": None,
    }
    process = ServerProcess(
        tmp_path_factory.mktemp("server"), {"userapi": accounts | {"bcrypt_cost": 4}}
    )
    process.start()
    yield process
    process.kill()


@pytest.fixture
def homeserver(server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    """The server as the clients of one test see it, who have names of their own."""
    suffix = f".{next(_test_numbers)}"
    return Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET, name_suffix=suffix)


@pytest.fixture
def command(server: ServerProcess) -> Command:
    """Run a command beside the server and give what it says."""

    def run(*arguments: str, stdin: str = "") -> str:
        done = ran(server, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def ran(
    server: ServerProcess, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    config = str(server.config_path)
    return xylem(*arguments, "--config", config, cwd=server.folder, stdin=stdin)


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


async def test_accounts_are_listed_and_shown(homeserver: Homeserver, command: Command) -> None:
    alice = await homeserver.register_with_secret("alice", admin=True)
    bob = await homeserver.register_with_secret("bob")

    listed = await asyncio.to_thread(command, "account", "list")
    shown = await asyncio.to_thread(command, "account", "show", bob.user_id)

    heading, *rows = listed.splitlines()
    assert heading.split() == ["user", "state", "created", "last", "seen"]
    states = dict(row.split()[:2] for row in rows)
    assert list(states) == sorted(states)
    assert (states[alice.user_id], states[bob.user_id]) == ("administrator", "user")
    assert shown.startswith(f"{bob.user_id}: user, created ")
    assert "127.0.0.1" in shown


async def test_a_user_who_is_locked_is_out_until_unlocked(
    homeserver: Homeserver, command: Command
) -> None:
    alice = await homeserver.register_with_secret("alice")
    poll = following_until_refused(alice)

    await asyncio.to_thread(command, "account", "lock", alice.user_id)

    assert await poll == "M_USER_LOCKED"
    again = await asyncio.to_thread(command, "account", "lock", alice.user_id)
    assert again == f"{alice.user_id} is locked already.\n"
    await asyncio.to_thread(command, "account", "unlock", alice.user_id)
    alice = await homeserver.login("alice")
    await alice.sync()


async def test_a_reset_password_signs_out_whoever_knew_the_old_one(
    homeserver: Homeserver, command: Command
) -> None:
    alice = await homeserver.register_with_secret("alice")
    poll = following_until_refused(alice)

    await asyncio.to_thread(
        command, "account", "reset-password", alice.user_id, stdin=f"{NEW_PASSWORD}\n"
    )

    assert await poll == "M_UNKNOWN_TOKEN"
    assert await refused(homeserver.login("alice", password=PASSWORD)) == "M_FORBIDDEN"
    await homeserver.login("alice", password=NEW_PASSWORD)


async def test_devices_may_be_kept_when_a_password_is_reset(
    homeserver: Homeserver, command: Command
) -> None:
    alice = await homeserver.register_with_secret("alice")

    said = await asyncio.to_thread(
        command,
        "account",
        "reset-password",
        alice.user_id,
        "--keep-devices",
        stdin=f"{NEW_PASSWORD}\n",
    )

    assert "stay signed in" in said
    await homeserver.login("alice", password=NEW_PASSWORD)
    await alice.sync()


async def test_administrators_are_made_and_unmade(homeserver: Homeserver, command: Command) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    whois = f"/admin/whois/{bob.user_id}"
    assert await refused(alice.call("GET", whois)) == "M_FORBIDDEN"

    await asyncio.to_thread(command, "account", "promote", alice.user_id)
    alice = await homeserver.login("alice")
    assert (await alice.call("GET", whois))["user_id"] == bob.user_id

    await asyncio.to_thread(command, "account", "demote", alice.user_id)
    alice = await homeserver.login("alice")
    assert await refused(alice.call("GET", whois)) == "M_FORBIDDEN"


async def test_who_is_deactivated_leaves_all_rooms(
    homeserver: Homeserver, command: Command
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    follower = await follower_of(alice)

    async with following(follower):
        await asyncio.to_thread(command, "account", "deactivate", bob.user_id)
        await follower.until(lambda: bool(follower.rooms.get(room_id)))

    [left] = follower.rooms[room_id]
    assert (left["state_key"], left["content"]["membership"]) == (bob.user_id, "leave")
    assert await refused(homeserver.login("bob")) == "M_USER_DEACTIVATED"


async def register(homeserver: Homeserver, name: str, token: str) -> tuple[int, Any]:
    body = {"username": name, "password": PASSWORD}
    _, asked = await homeserver.once("POST", f"{V3}/register", body=body)
    auth = {"type": "m.login.registration_token", "session": asked["session"], "token": token}
    status, _ = await homeserver.once("POST", f"{V3}/register", body=body | {"auth": auth})
    return status, _


async def test_a_registration_token_lets_in_as_many_as_it_says_until_it_is_revoked(
    homeserver: Homeserver, command: Command
) -> None:
    token = (
        await asyncio.to_thread(command, "registration-token", "create", "--uses", "2")
    ).strip()
    await asyncio.to_thread(command, "registration-token", "create", "for-friends")

    assert (await register(homeserver, "alice", token))[0] == 200
    listed = await asyncio.to_thread(command, "registration-token", "list")
    assert (await register(homeserver, "bob", token))[0] == 200
    assert (await register(homeserver, "carol", token))[0] == 401
    assert (await register(homeserver, "carol", "for-friends"))[0] == 200
    await asyncio.to_thread(command, "registration-token", "revoke", "for-friends")
    assert (await register(homeserver, "dave", "for-friends"))[0] == 401

    assert [line.split()[:4] for line in listed.splitlines()[1:]] == [
        [token, "1", "of", "2"],
        ["for-friends", "0", "of", "any"],
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("account", "lock", "nobody"), "There is no account nobody."),
        (("account", "promote", "@alice:elsewhere.org"), "There is no account @alice"),
        (("account", "reset-password", "erin", "--password", "short"), "at least 8 characters"),
        (("registration-token", "revoke", "unknown"), "There is no such registration token."),
        (("registration-token", "create", "a token"), "1 to 64 characters"),
    ],
)
async def test_what_cannot_be_done_is_said_in_one_line(
    server: ServerProcess, arguments: tuple[str, ...], said: str
) -> None:
    await asyncio.to_thread(ran, server, "create-account", "erin", "--password", PASSWORD)

    done = await asyncio.to_thread(ran, server, *arguments)

    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
