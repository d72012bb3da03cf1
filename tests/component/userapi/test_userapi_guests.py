"""Guests who become users."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from logs.log import Log
from matrix.identifiers import localpart_of
from tests.component.userapi.userapi_server import (
    DUMMY,
    PASSWORD,
    V3,
    Deployment,
    User,
    UserApiServer,
)


@pytest.fixture(name="server")
async def fixture_server(deployment: Deployment, log: Log) -> AsyncIterator[UserApiServer]:
    async with deployment.start(log, guests_allowed=True) as server:
        yield server


@pytest.fixture(name="guest")
async def fixture_guest(server: UserApiServer) -> User:
    return User(server, (await server.client.post(f"{V3}/register?kind=guest", {})).json)


async def test_a_guest_becomes_a_user_under_the_same_name(
    server: UserApiServer, guest: User
) -> None:
    localpart = localpart_of(guest.user_id)
    async with server.running():
        assert (await guest.client.get(f"{V3}/pushrules/")).status == 403

        answer = await server.register(localpart, guest_access_token=guest.access_token)

        assert answer.status == 200
        assert answer.json["user_id"] == guest.user_id
        assert (await guest.client.get(f"{V3}/pushrules/")).status == 200
        whoami = await server.whoami(answer.json["access_token"])
        assert whoami.json["is_guest"] is False
        assert (await server.login(localpart)).status == 200
        again = await server.register(localpart, guest_access_token=guest.access_token)
        assert (again.status, again.errcode) == (403, "M_FORBIDDEN")


async def test_a_guest_takes_no_other_name(server: UserApiServer, guest: User, alice: User) -> None:
    other: dict[str, Any] = {"guest_access_token": guest.access_token}
    localpart = localpart_of(guest.user_id)
    answers = [
        await server.register("alice", **other),
        await server.register("bob", **other),
        await server.register(localpart, guest_access_token=alice.access_token),
        await server.register(localpart),
        await server.register(localpart, guest_access_token="nonsense"),
        await server.client.post(f"{V3}/register", {"password": PASSWORD, "auth": DUMMY, **other}),
    ]

    assert [(answer.status, answer.errcode) for answer in answers] == [
        (403, "M_FORBIDDEN"),
        (403, "M_FORBIDDEN"),
        (403, "M_FORBIDDEN"),
        (400, "M_USER_IN_USE"),
        (401, "M_UNKNOWN_TOKEN"),
        (400, "M_MISSING_PARAM"),
    ]
