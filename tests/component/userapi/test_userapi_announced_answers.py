"""What the user API has answered is in the log: readers that look at its end know it."""

import asyncio
from typing import Any

import pytest

from logs.log import Log
from logs.topics import OUTPUT_CLIENT_DATA
from tests.component.userapi.userapi_server import PASSWORD, V3, Deployment, User
from tests.contract.logs.ledger import UnreliableLog

WRITES: dict[str, tuple[str, str, Any]] = {
    "account data": ("PUT", "/user/{user}/account_data/org.example.a", {"a": 1}),
    "account data of a room": ("PUT", "/user/{user}/rooms/!r:s/account_data/m.x", {"a": 1}),
    "tag": ("PUT", "/user/{user}/rooms/!r:s/tags/u.work", {}),
    "push rule": ("PUT", "/pushrules/global/content/tea", {"actions": [], "pattern": "tea"}),
    "ignore list": (
        "PUT",
        "/user/{user}/account_data/m.ignored_user_list",
        {"ignored_users": {"@q:s": {}}},
    ),
    "logout": ("POST", "/logout", {}),
}


async def end_of(log: Log) -> int:
    """Return how many records OutputClientData has."""
    return (await log.bounds(OUTPUT_CLIENT_DATA.name))[0][1]


async def write(user: User, name: str) -> int:
    """Let a user write something; return the answer's status."""
    method, path, body = WRITES[name]
    path = V3 + path.format(user=user.user_id)
    ask = user.client.put if method == "PUT" else user.client.post
    return (await ask(path, body)).status


@pytest.mark.parametrize("name", WRITES)
async def test_a_write_is_in_the_log_when_it_is_answered(
    deployment: Deployment, log: Log, name: str
) -> None:
    async with deployment.start(log) as server, server.running():
        alice = await server.user("alice")
        before = await end_of(log)

        assert await write(alice, name) == 200

        assert await end_of(log) == before + 1


async def test_push_rules_of_a_new_account_are_in_the_log_when_it_is_answered(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log) as server, server.running():
        before = await end_of(log)

        await server.user("alice")

        assert await end_of(log) > before


async def test_writes_of_several_replicas_at_once_are_all_in_the_log(
    deployment: Deployment, log: Log
) -> None:
    async with (
        deployment.start(log) as one,
        deployment.start(log) as other,
        one.running(),
        other.running(),
    ):
        alice = await one.user("alice")
        at_other = other.client.as_user(alice.access_token)

        async def set_data(number: int) -> None:
            path = f"{V3}/user/{alice.user_id}/account_data/org.example.{number}"
            client = alice.client if number % 2 else at_other
            assert (await client.put(path, {"number": number})).status == 200
            records = await one.announced(await end_of(log))
            assert f"org.example.{number}" in {getattr(one, "type", "") for one in records}

        await asyncio.gather(*map(set_data, range(20)))


async def test_a_write_that_the_log_does_not_take_is_answered_503_and_comes_later(
    deployment: Deployment, log: Log
) -> None:
    unreliable = UnreliableLog(log)
    async with deployment.start(unreliable, announce_timeout_s=0.1) as server, server.running():
        alice = await server.user("alice")
        before = await end_of(log)
        unreliable.is_away = True

        assert await write(alice, "tag") == 503
        # It changes nothing, and is not in the log either.
        assert await write(alice, "tag") == 503
        unreliable.is_away = False
        [told] = (await server.announced(before + 1))[before:]

        assert getattr(told, "type", "") == "m.tag"
        assert await write(alice, "tag") == 200


async def test_without_an_announcer_a_write_does_not_wait(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log) as server:
        made = await server.api.accounts.perform_create_account(
            localpart="alice", password=PASSWORD, with_device=False
        )
        before = await end_of(log)

        assert made.user_id == "@alice:xylem.test"
        assert before == 0
