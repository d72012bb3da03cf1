"""An answered revocation is known wherever tokens are in memory, however late it is heard of."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import pytest

from logs.log import Log, Record, Tail
from matrix.errors import UnknownToken
from requesting.remembered_tokens import RememberedTokens
from tests.component.userapi.userapi_server import SETTINGS, V3, Deployment, User, UserApiServer


class LateLog:
    """A log of which one reader hears nothing until it is let."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.is_heard = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def tail(self, topic: str, places: Mapping[int, int]) -> Tail:
        return _LateTail(await self._log.tail(topic, places), self.is_heard)


class _LateTail:
    def __init__(self, tail: Tail, is_heard: asyncio.Event) -> None:
        self._tail = tail
        self._is_heard = is_heard

    async def read(self) -> Sequence[Record]:
        await self._is_heard.wait()
        return await self._tail.read()

    async def close(self) -> None:
        await self._tail.close()


@contextlib.asynccontextmanager
async def memory_of(server: UserApiServer, log: LateLog) -> AsyncIterator[RememberedTokens]:
    """Run the memory of another process, which trusts what it has heard for 10 s."""
    tokens = RememberedTokens(
        server.api.current_tokens,
        cast("Log", log),
        server.clock,
        size=SETTINGS.token_cache_size,
        ask_again_s=SETTINGS.last_seen_interval_s,
        lease_s=10,
    )
    running = asyncio.create_task(tokens.run())
    await tokens._cache.listens.wait()
    try:
        yield tokens
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("is_heard_at_last", [False, True])
async def test_memory_that_has_not_heard_of_a_revocation_is_not_trusted_beyond_its_lease(
    server: UserApiServer, alice: User, *, is_heard_at_last: bool
) -> None:
    log = LateLog(server.log)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(server.running())
        # Answered when all from before is in the log.
        path = f"{V3}/user/{alice.user_id}/account_data/org.example.note"
        assert (await alice.client.put(path, {})).status == 200
        tokens = await stack.enter_async_context(memory_of(server, log))
        for _ in range(2):
            await tokens.query_token(access_token=alice.access_token)
        assert (await alice.client.post(f"{V3}/logout", {})).status == 200
        # Until here the log was asked before the revocation.
        await tokens.query_token(access_token=alice.access_token)

        server.clock.advance_ms(10_001)
        asked = asyncio.create_task(tokens.query_token(access_token=alice.access_token))
        if is_heard_at_last:
            log.is_heard.set()

        with pytest.raises(UnknownToken):
            await asked


async def test_a_revocation_is_answered_when_all_leases_from_before_it_are_over(
    deployment: Deployment, log: Log
) -> None:
    loop = asyncio.get_running_loop()
    async with deployment.start(log, lease_s=0.25) as server, server.running():
        for path in ("logout", "logout/all"):
            alice = await server.user(path.replace("/", ""))
            began_s = loop.time()

            assert (await alice.client.post(f"{V3}/{path}", {})).status == 200

            assert loop.time() - began_s >= 0.25


async def test_what_revokes_nothing_waits_for_no_lease(deployment: Deployment, log: Log) -> None:
    async with deployment.start(log, lease_s=3600) as server, server.running():
        alice = await server.user("alice")

        path = f"{V3}/user/{alice.user_id}/account_data/org.example.note"
        assert (await alice.client.put(path, {})).status == 200
        assert (await server.login("alice")).status == 200
