"""A dehydrated device whose upload is repeated after SIGKILL is whole, and the only one."""

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.client import Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.crashes import CrashingServer
from tests.system.dehydrating import PATH, DriedDevice, claim, listed, shown, upload
from tests.system.server_process import SHARED_SECRET, ServerProcess

_KILLS = 6
_WITHIN_S = 0.03
"""About as long as an upload takes."""


async def survive(process: ServerProcess, http: aiohttp.ClientSession) -> None:
    """Kill the server during uploads; each is repeated until it is answered."""
    server = CrashingServer(process, random.Random(1))
    home = Homeserver(http, server.url, shared_secret=SHARED_SECRET, until_back=server.until_up)
    alice, bob = await home.register_all("alice", "bob")
    await upload(alice, DriedDevice(alice.user_id, 0))

    async def crash() -> None:
        await server.crash(_WITHIN_S)
        await server.start()

    for number in range(1, _KILLS + 1):
        device = DriedDevice(alice.user_id, number)
        async with asyncio.TaskGroup() as group:
            group.create_task(crash())
            group.create_task(upload(alice, device))

        found = await home.call("GET", PATH, token=alice.token)
        assert found == {"device_id": device.device_id, "device_data": device.device_data}
        assert await listed(alice) == {alice.device_id, device.device_id}
        assert await shown(bob, alice.user_id) == {device.device_id}
        assert await claim(bob, device) == device.one_time_key()
    assert server.kills == _KILLS
    assert not process.errors()


async def survive_with(settings: dict[str, Any], folder: Path, http: aiohttp.ClientSession) -> None:
    process = ServerProcess(folder, settings)
    process.start()
    try:
        await survive(process, http)
    finally:
        process.kill()


async def test_a_server_that_is_killed_keeps_one_whole_dehydrated_device(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    await survive_with(NO_RATE_LIMITS, tmp_path, http)


@pytest.mark.postgres
async def test_a_server_on_postgresql_that_is_killed_keeps_one_whole_dehydrated_device(
    tmp_path: Path, http: aiohttp.ClientSession, postgres_url: str
) -> None:
    await survive_with(NO_RATE_LIMITS | {"database": {"url": postgres_url}}, tmp_path, http)
