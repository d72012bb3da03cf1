"""Keys outlast SIGKILL at random instants: none is given twice, and backups stay whole."""

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.claimed_keys import ClaimedKeys, CountedHomeserver
from tests.system.client import Client, Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.crashes import CrashingServer
from tests.system.server_process import SHARED_SECRET, ServerProcess

_KILLS = 5
_BETWEEN_KILLS = 60


class BackingUp:
    """A device that backs up keys, some with each request."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._version = ""
        self._stored: dict[str, Any] = {}
        self._requests = 0
        self._is_over = False

    async def store_for_ever(self) -> None:
        """Store keys until it is over; a request that is cut off is repeated."""
        backup = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {}}
        made = await self._client.call("POST", "/room_keys/version", backup)
        self._version = made["version"]
        while not self._is_over:
            keys = {f"session{self._requests}.{number}": self._key() for number in range(3)}
            body = {"rooms": {"!room:example.org": {"sessions": keys}}}
            query = {"version": self._version}
            told = await self._client.call("PUT", "/room_keys/keys", body, query)
            self._requests += 1
            self._stored |= keys
            assert told == self._size()

    def _key(self) -> dict[str, Any]:
        data = {"ciphertext": f"{self._requests}"}
        numbers = {"first_message_index": 0, "forwarded_count": 0, "is_verified": True}
        return {**numbers, "session_data": data}

    def _size(self) -> dict[str, Any]:
        # A request that is repeated changes nothing if it had come through.
        return {"count": len(self._stored), "etag": str(self._requests)}

    def end(self) -> None:
        """Let the request under way be the last one."""
        self._is_over = True

    async def check(self) -> None:
        """The backup has what was stored, and says so."""
        about = await self._client.call("GET", "/room_keys/version")
        assert {name: about[name] for name in ("count", "etag")} == self._size()
        query = {"version": self._version}
        rooms = (await self._client.call("GET", "/room_keys/keys", query=query))["rooms"]
        assert rooms == {"!room:example.org": {"sessions": self._stored}}


async def survive(process: ServerProcess, http: aiohttp.ClientSession) -> None:
    """Live through the kills, and check the keys."""
    server = CrashingServer(process, random.Random(2))

    def seen(kind: type[Homeserver]) -> Any:
        return kind(http, server.url, shared_secret=SHARED_SECRET, until_back=server.until_up)

    home, counted = seen(Homeserver), seen(CountedHomeserver)
    alice, *claimers = await home.register_all("alice", "bob", "carol", "dave")
    claimed = ClaimedKeys(alice, dict.fromkeys(claimers, counted))
    await claimed.begin()
    backing_up = BackingUp(alice)

    async with asyncio.TaskGroup() as group:
        group.create_task(backing_up.store_for_ever())
        async with claimed.claimed_all_the_time():
            for _ in range(_KILLS):
                await claimed.until_claimed(_BETWEEN_KILLS)
                await server.crash(0.05)
                await server.start()
        backing_up.end()

    await claimed.check()
    await backing_up.check()
    assert server.kills == _KILLS
    assert not process.errors()


async def survive_with(settings: dict[str, Any], folder: Path, http: aiohttp.ClientSession) -> None:
    process = ServerProcess(folder, settings)
    process.start()
    try:
        await survive(process, http)
    finally:
        process.kill()


async def test_a_server_that_is_killed_gives_no_key_twice_and_has_what_was_backed_up(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    await survive_with(NO_RATE_LIMITS, tmp_path, http)


@pytest.mark.postgres
async def test_a_server_on_postgresql_that_is_killed_gives_no_key_twice_and_has_the_backup(
    tmp_path: Path, http: aiohttp.ClientSession, postgres_url: str
) -> None:
    await survive_with(NO_RATE_LIMITS | {"database": {"url": postgres_url}}, tmp_path, http)
