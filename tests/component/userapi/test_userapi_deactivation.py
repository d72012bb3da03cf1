"""The end of an account."""

import asyncio
from typing import Any

import pytest

from logs.log import Log
from logs.records.client_data import AccountStatusChanged, ProfileChanged, TokensRevoked
from matrix.errors import Unavailable
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import (
    DUMMY,
    PASSWORD,
    V3,
    Deployment,
    User,
    UserApiServer,
)

DEACTIVATE = f"{V3}/account/deactivate"


class Rooms:
    """Rooms that let users leave; unlucky ones not at the first attempt."""

    def __init__(self) -> None:
        self.attempts: asyncio.Queue[str] = asyncio.Queue()
        self._unlucky = {UserID("@unlucky:xylem.test")}

    async def perform_leave_all(self, *, user_id: UserID) -> None:
        """Leave all rooms."""
        self.attempts.put_nowait(user_id)
        if user_id in self._unlucky:
            self._unlucky.remove(user_id)
            raise Unavailable


async def deactivate(user: User, **fields: Any) -> None:
    answer = await user.client.post(DEACTIVATE, {"auth": user.proof(), **fields})
    assert (answer.status, answer.json) == (200, {"id_server_unbind_result": "success"})


async def test_a_deactivation_asks_for_the_password(alice: User) -> None:
    asked = await alice.client.post(DEACTIVATE, {})
    wrong = await alice.client.post(DEACTIVATE, {"auth": alice.proof("a guess")})

    assert (asked.status, asked.json["flows"]) == (401, [{"stages": ["m.login.password"]}])
    assert (wrong.status, wrong.errcode) == (401, "M_FORBIDDEN")
    assert (await alice.client.get(f"{V3}/account/whoami")).status == 200


async def test_nobody_logs_in_to_a_deactivated_account_or_takes_its_name(
    server: UserApiServer, alice: User
) -> None:
    other = (await server.login("alice", refresh_token=True)).json
    login_token = await alice.client.post(
        "/_matrix/client/v1/login/get_token", {"auth": alice.proof()}
    )

    await deactivate(alice)

    ended = await server.whoami(other["access_token"])
    assert (ended.status, ended.errcode) == (401, "M_UNKNOWN_TOKEN")
    refreshed = await server.client.post(f"{V3}/refresh", {"refresh_token": other["refresh_token"]})
    assert refreshed.status == 401
    for name, password in (("alice", PASSWORD), ("alice", "a guess"), ("@Alice:xylem.test", "x")):
        login = await server.login(name, password)
        assert (login.status, login.errcode) == (403, "M_USER_DEACTIVATED")
    by_token = await server.client.post(
        f"{V3}/login", {"type": "m.login.token", "token": login_token.json["login_token"]}
    )
    assert (by_token.status, by_token.errcode) == (403, "M_FORBIDDEN")
    taken = await server.register("alice")
    assert (taken.status, taken.errcode) == (400, "M_USER_IN_USE")


async def test_a_deactivated_user_keeps_the_profile_unless_erased(
    server: UserApiServer, alice: User, bob: User
) -> None:
    await deactivate(alice)
    await deactivate(bob, erase=True)

    assert (await server.client.get(f"{V3}/profile/{alice.user_id}")).json == {
        "displayname": "alice"
    }
    erased = await server.client.get(f"{V3}/profile/{bob.user_id}")
    unknown = await server.client.get(f"{V3}/profile/@nobody:xylem.test")
    assert (erased.status, erased.json) == (unknown.status, unknown.json) == (404, unknown.json)


async def test_readers_hear_of_a_deactivation(server: UserApiServer, alice: User) -> None:
    before = len(await server.all_announced())

    await deactivate(alice, erase=True)

    assert (await server.all_announced())[before:] == [
        TokensRevoked(alice.user_id, None, removed_up_to=1),
        ProfileChanged(alice.user_id, "displayname", b"null"),
        AccountStatusChanged(
            alice.user_id,
            is_deactivated=True,
            is_erased=True,
            is_locked=False,
            is_suspended=False,
        ),
    ]


async def test_account_data_ends_with_the_account(server: UserApiServer, alice: User) -> None:
    path = f"{V3}/user/{alice.user_id}/account_data/org.example"
    await alice.client.put(path, {"a": 1})

    await deactivate(alice)

    for data_type in ("org.example", "m.push_rules"):
        assert (
            await server.api.account_data.query_account_data(
                user_id=UserID(alice.user_id), room_id=None, data_type=data_type
            )
            is None
        )


@pytest.mark.parametrize(
    ("body", "errcode"),
    [({"erase": "yes"}, "M_BAD_JSON"), ({"auth": []}, "M_BAD_JSON")],
)
async def test_a_malformed_deactivation_is_refused(
    alice: User, body: dict[str, Any], errcode: str
) -> None:
    answer = await alice.client.post(DEACTIVATE, body)

    assert (answer.status, answer.errcode) == (400, errcode)


async def test_a_guest_deactivates_nothing(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, guests_allowed=True) as server:
        made = await server.client.post(f"{V3}/register?kind=guest", {})

        answer = await User(server, made.json).client.post(DEACTIVATE, {"auth": DUMMY})

        assert (answer.status, answer.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_a_deactivated_user_leaves_their_rooms(deployment: Deployment, log: Log) -> None:
    rooms = Rooms()
    async with deployment.start(log, departures=rooms) as server, server.running():
        alice = await server.user("alice")

        await deactivate(alice)

        assert await rooms.attempts.get() == alice.user_id


async def test_who_could_not_leave_leaves_after_the_next_start(
    deployment: Deployment, log: Log
) -> None:
    rooms = Rooms()
    async with deployment.start(log) as server:
        await deactivate(await server.user("alice"))
        await deactivate(await server.user("unlucky"))

    async with deployment.start(log, departures=rooms) as server, server.running():
        first = [await rooms.attempts.get(), await rooms.attempts.get()]
    async with deployment.start(log, departures=rooms) as server, server.running():
        second = [await rooms.attempts.get(), await rooms.attempts.get()]

    assert first == ["@alice:xylem.test", "@unlucky:xylem.test"]
    # Also who has left: a process may have died that was about to let them into a room.
    assert second == first
