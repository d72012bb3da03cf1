"""Messages to devices outlast SIGKILL at random instants: none is lost, doubled or out of order."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.client import Client, Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.crashes import CrashingServer
from tests.system.server_process import SHARED_SECRET, ServerProcess

_KILLS = 5
_BETWEEN_KILLS = 40
_KIND = "org.example"
_FOR_EVER = 10**9


class Sender:
    """Sends numbers to all devices of a user, one after another."""

    def __init__(self, client: Client, target: Client) -> None:
        self.sent = 0
        self._client = client
        self._target = target

    async def send(self) -> None:
        """Send the next number; a request that is cut off is repeated."""
        messages = {self._target.user_id: {"*": {"number": self.sent}}}
        path = f"/sendToDevice/{_KIND}/number{self.sent}"
        await self._client.call("PUT", path, {"messages": messages})
        self.sent += 1


class Receiver:
    """A device that follows /sync, and what it got from each sender."""

    def __init__(self, client: Client, since: str) -> None:
        self.got: dict[str, list[int]] = {}
        self._client = client
        self._since = since

    async def until_got(self, sender: Client, count: int) -> None:
        """Follow the server until so many messages of a sender have come."""
        while len(self.got.get(sender.user_id, ())) < count:
            answer = await self._client.sync(self._since, timeout_ms=2_000)
            self._since = answer["next_batch"]
            for event in answer["to_device"]["events"]:
                numbers = self.got.setdefault(event["sender"], [])
                numbers.append(event["content"]["number"])


class Story:
    """Two senders and two devices of one user, through all kills."""

    def __init__(self, senders: Mapping[Client, Sender], receivers: Sequence[Receiver]) -> None:
        self.senders = senders
        self.receivers = receivers

    async def live_through(self, server: CrashingServer) -> None:
        """Kill the server again and again while messages flow."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_send_for_ever(one)) for one in self.senders.values()]
            tasks += [
                group.create_task(one.until_got(client, _FOR_EVER))
                for one in self.receivers
                for client in list(self.senders)[:1]
            ]
            for _ in range(_KILLS):
                await self._until_sent(_BETWEEN_KILLS)
                await server.crash(0.05)
                await server.start()
            for task in tasks:
                task.cancel()

    async def _until_sent(self, count: int) -> None:
        sender = next(iter(self.senders.values()))
        wanted = sender.sent + count
        while sender.sent < wanted:  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0.01)

    async def check(self) -> None:
        """Each device got what each sender sent, once and in order."""
        for client, sender in self.senders.items():
            # What was cut off by the end is sent once more, or for the first time.
            await sender.send()
            for receiver in self.receivers:
                await receiver.until_got(client, sender.sent)
        for client, sender in self.senders.items():
            for receiver in self.receivers:
                assert receiver.got[client.user_id] == list(range(sender.sent))


async def _send_for_ever(sender: Sender) -> None:
    while True:
        await sender.send()


async def survive(process: ServerProcess, http: aiohttp.ClientSession) -> None:
    """Live through the kills, and check what devices got."""
    server = CrashingServer(process, random.Random(1))
    home = Homeserver(http, server.url, shared_secret=SHARED_SECRET, until_back=server.until_up)
    alice, bob, carol = await home.register_all("alice", "bob", "carol")
    devices = [alice, await home.login("alice")]
    receivers = [Receiver(one, (await one.sync())["next_batch"]) for one in devices]
    story = Story({one: Sender(one, alice) for one in (bob, carol)}, receivers)

    await story.live_through(server)

    await story.check()
    assert server.kills == _KILLS
    assert not process.errors()


async def survive_with(settings: dict[str, Any], folder: Path, http: aiohttp.ClientSession) -> None:
    process = ServerProcess(folder, settings)
    process.start()
    try:
        await survive(process, http)
    finally:
        process.kill()


async def test_a_server_that_is_killed_gives_each_device_each_message_once_and_in_order(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    await survive_with(NO_RATE_LIMITS, tmp_path, http)


@pytest.mark.postgres
async def test_a_server_on_postgresql_that_is_killed_gives_each_message_once_and_in_order(
    tmp_path: Path, http: aiohttp.ClientSession, postgres_url: str
) -> None:
    await survive_with(NO_RATE_LIMITS | {"database": {"url": postgres_url}}, tmp_path, http)
