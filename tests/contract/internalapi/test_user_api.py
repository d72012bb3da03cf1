"""The user API's Protocols answer alike in its own process and over HTTP."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from internalapi.userapi import (
    Accounts,
    Authentication,
    Filters,
    FoundUser,
    Profiles,
    UserDirectory,
)
from matrix.errors import NotFound, UnknownToken, UserInUse
from matrix.identifiers import UserID
from tests.component.userapi.userapi_server import Deployment, UserApiServer
from tests.contract.internalapi.conftest import Connect

ALICE = UserID("@alice:xylem.test")


class Apis(NamedTuple):
    """A user API as its callers see it."""

    server: UserApiServer
    authentication: Authentication
    accounts: Accounts
    profiles: Profiles
    filters: Filters
    user_directory: UserDirectory


@pytest.fixture
async def apis(tmp_path: Path, connect: Connect) -> AsyncIterator[Apis]:
    deployment = Deployment(f"sqlite:///{tmp_path}/db", tmp_path)
    async with deployment.open_log() as log, deployment.start(log) as server:
        api = server.api
        async with (
            connect(Authentication, api.authentication) as authentication,
            connect(Accounts, api.accounts) as accounts,
            connect(Profiles, api.profiles) as profiles,
            connect(Filters, api.filters) as filters,
            connect(UserDirectory, api.user_directory) as user_directory,
        ):
            yield Apis(server, authentication, accounts, profiles, filters, user_directory)


async def test_a_token_tells_whose_it_is(apis: Apis) -> None:
    alice = await apis.server.user("alice")
    requester = await apis.authentication.query_token(access_token=alice.access_token)
    assert (requester.user_id, requester.device_id) == (alice.user_id, alice.device_id)


async def test_an_unknown_token_is_refused_as_such(apis: Apis) -> None:
    with pytest.raises(UnknownToken) as refusal:
        await apis.authentication.query_token(access_token="nobody's")
    assert refusal.value.status == 401
    assert refusal.value.body()["errcode"] == "M_UNKNOWN_TOKEN"


async def test_an_expired_token_says_that_it_can_be_refreshed(apis: Apis) -> None:
    answer = await apis.server.register("alice", refresh_token=True)
    apis.server.clock.advance_ms(30 * 24 * 3600 * 1000)
    with pytest.raises(UnknownToken) as refusal:
        await apis.authentication.query_token(access_token=answer.json["access_token"])
    assert refusal.value.body()["soft_logout"] is True


async def test_an_account_is_made_once(apis: Apis) -> None:
    made = await apis.accounts.perform_create_account(localpart="alice", password="wonderland")
    assert made.user_id == ALICE
    assert made.access_token is not None
    with pytest.raises(UserInUse):
        await apis.accounts.perform_create_account(localpart="alice", password="wonderland")
    assert await apis.accounts.query_account_exists(user_id=ALICE)
    assert not await apis.accounts.query_account_exists(user_id=UserID("@bob:xylem.test"))


async def test_a_profile_keeps_what_was_set(apis: Apis) -> None:
    await apis.server.user("alice")
    value = {"nested": [1, None, "ü"]}
    assert await apis.profiles.perform_set_profile_field(
        user_id=ALICE, field="org.example.free", value=value
    )
    assert not await apis.profiles.perform_set_profile_field(
        user_id=ALICE, field="org.example.free", value=value
    )
    profile = await apis.profiles.query_profile(user_id=ALICE)
    assert profile["org.example.free"] == value
    with pytest.raises(NotFound):
        await apis.profiles.query_profile(user_id=UserID("@nobody:xylem.test"))


async def test_a_stored_filter_is_found_and_another_not(apis: Apis) -> None:
    alice = await apis.server.user("alice")
    wanted = {"room": {"timeline": {"limit": 3}}}
    path = f"/_matrix/client/v3/user/{alice.user_id}/filter"
    filter_id = (await alice.client.post(path, wanted)).json["filter_id"]
    assert await apis.filters.query_filter(user_id=ALICE, filter_id=filter_id) == wanted
    with pytest.raises(NotFound):
        await apis.filters.query_filter(user_id=ALICE, filter_id="999")


async def test_a_user_is_found_by_a_name(apis: Apis) -> None:
    await apis.server.user("alice")
    search = partial(apis.user_directory.query_users, term="ali", skipped=0, limit=3)

    found = await search(searcher=UserID("@bob:xylem.test"))

    assert found.users == [FoundUser(ALICE, "alice")]
    assert not found.are_for_all
    assert (await search(searcher=ALICE)).users == []
