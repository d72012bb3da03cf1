"""Tokens in the memory of another process: asked for once, forgotten when they are revoked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from internalapi.userapi import CurrentToken
from logs.log import Log, Outgoing
from logs.records.client_data import TokensRevoked
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.errors import UnknownToken, UserLocked
from requesting.remembered_tokens import RememberedTokens
from tests.component.userapi.userapi_server import SETTINGS, Deployment, User, UserApiServer

V3 = "/_matrix/client/v3"


class Counted:
    """Asks the user API, and counts how often."""

    def __init__(self, server: UserApiServer) -> None:
        self.server = server
        self.calls = 0

    async def query_current_token(self, *, access_token: str) -> CurrentToken:
        self.calls += 1
        return await self.server.api.current_tokens.query_current_token(access_token=access_token)


@pytest.fixture(name="counted")
def fixture_counted(server: UserApiServer) -> Counted:
    return Counted(server)


@contextlib.asynccontextmanager
async def following(server: UserApiServer, counted: Counted) -> AsyncIterator[RememberedTokens]:
    """Run the memory of another process, once it hears of revocations."""
    tokens = RememberedTokens(
        counted,
        server.log,
        server.clock,
        size=SETTINGS.token_cache_size,
        ask_again_s=SETTINGS.last_seen_interval_s,
    )
    running = asyncio.create_task(tokens.run())
    await tokens._cache.listens.wait()
    try:
        yield tokens
    finally:
        running.cancel()
        await asyncio.wait([running])


async def until_refused(tokens: RememberedTokens, access_token: str) -> Exception:
    """Return the refusal that follows once the log was heard."""
    async with asyncio.timeout(30):
        while True:
            try:
                await tokens.query_token(access_token=access_token)
            except (UnknownToken, UserLocked) as refused:
                return refused
            await asyncio.sleep(0.005)


async def test_a_token_is_asked_for_once(
    server: UserApiServer, counted: Counted, alice: User
) -> None:
    async with following(server, counted) as tokens:
        for _ in range(3):
            requester = await tokens.query_token(access_token=alice.access_token)
            assert (requester.user_id, requester.device_id) == (alice.user_id, alice.device_id)

    assert counted.calls == 1


async def test_a_token_is_asked_for_now_and_then_so_that_its_use_is_noted(
    server: UserApiServer, counted: Counted, alice: User
) -> None:
    async with following(server, counted) as tokens:
        await tokens.query_token(access_token=alice.access_token)
        server.clock.advance_ms(61_000)
        await tokens.query_token(access_token=alice.access_token)

    assert counted.calls == 2


async def test_nothing_is_kept_while_revocations_are_not_heard_of(
    server: UserApiServer, counted: Counted, alice: User
) -> None:
    tokens = RememberedTokens(
        counted,
        server.log,
        server.clock,
        size=SETTINGS.token_cache_size,
        ask_again_s=SETTINGS.last_seen_interval_s,
    )

    for _ in range(2):
        await tokens.query_token(access_token=alice.access_token)

    assert counted.calls == 2


async def test_a_token_that_is_revoked_is_forgotten(
    server: UserApiServer, counted: Counted, alice: User
) -> None:
    async with server.running(), following(server, counted) as tokens:
        await tokens.query_token(access_token=alice.access_token)

        await alice.client.post(f"{V3}/logout", {})

        assert isinstance(await until_refused(tokens, alice.access_token), UnknownToken)


async def test_a_locked_account_is_refused(
    server: UserApiServer, counted: Counted, alice: User
) -> None:
    root = await server.admin()
    async with server.running(), following(server, counted) as tokens:
        await tokens.query_token(access_token=alice.access_token)

        path = f"{V3}/admin/lock/{alice.user_id}".replace("v3", "v1")
        answer = await root.client.put(path, {"locked": True})

        assert answer.status == 200, answer
        assert isinstance(await until_refused(tokens, alice.access_token), UserLocked)


async def test_a_token_whose_time_is_over_is_refused_from_memory(
    deployment: Deployment, log: Log
) -> None:
    async with deployment.start(log, refreshable_access_token_lifetime_s=30) as server:
        counted = Counted(server)
        registered = (await server.register("bob", refresh_token=True)).json
        async with following(server, counted) as tokens:
            requester = await tokens.query_token(access_token=registered["access_token"])
            assert requester.expires_at_ms == server.clock.now_ms() + 30_000
            server.clock.advance_ms(31_000)

            with pytest.raises(UnknownToken) as refused:
                await tokens.query_token(access_token=registered["access_token"])

    assert counted.calls == 1
    assert refused.value.fields == {"soft_logout": True}


@pytest.mark.parametrize("access_token", ["", "nobody's", "\udcff", "ä" * 10_000])
async def test_an_unknown_token_is_refused(
    server: UserApiServer, counted: Counted, access_token: str
) -> None:
    async with following(server, counted) as tokens:
        with pytest.raises(UnknownToken):
            await tokens.query_token(access_token=access_token)


async def test_a_record_that_cannot_be_read_may_have_been_a_revocation_of_any_token(
    server: UserApiServer, counted: Counted, alice: User
) -> None:
    async with following(server, counted) as tokens:
        await tokens.query_token(access_token=alice.access_token)
        assert len(tokens._cache) == 1
        value = OUTPUT_CLIENT_DATA.encode(TokensRevoked("@bob:xylem.test", None))
        damaged = value.replace(b"@bob", b"@\xff\xfeb")
        await server.log.append(OUTPUT_CLIENT_DATA.name, [Outgoing("@bob:xylem.test", damaged)])
        async with asyncio.timeout(30):
            while len(tokens._cache):  # noqa: ASYNC110 — a cache tells nobody
                await asyncio.sleep(0.005)
        await tokens.query_token(access_token=alice.access_token)

    assert counted.calls == 2
