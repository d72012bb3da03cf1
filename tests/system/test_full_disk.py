"""A disk that is full under SQLite: 503 and one line, and all goes on when there is room again."""

import asyncio
import resource
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest

from tests.system.client import Client, Homeserver, is_told, room_path, send_path
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET, ServerProcess

DATABASES: Final = ("userapi", "roomserver", "receipts", "eduserver", "syncapi")
ROUNDS: Final = 90
"""So many that each database's file is longer than the log's, and so few that none begins again."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A monolith that tells soon that the room server does not answer."""
    clientapi: dict[str, Any] = {**NO_RATE_LIMITS["clientapi"], "outcome_timeout_s": 2}
    process = ServerProcess(
        tmp_path, {**NO_RATE_LIMITS, "clientapi": clientapi, "log": {"trim_interval_s": 3600}}
    )
    process.start()
    yield process
    process.kill()


def let_no_database_grow(process: ServerProcess) -> None:
    data = process.folder / "data"
    log = max(file.stat().st_size for file in (data / "log").rglob("*") if file.is_file())
    shortest = min((data / "databases" / f"{name}.db-wal").stat().st_size for name in DATABASES)
    assert log + 20_000 < shortest, "The log could not grow either."
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (shortest, resource.RLIM_INFINITY))


def make_room(process: ServerProcess) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)


class Writer:
    """Somebody whose requests write into every component's tables."""

    def __init__(self, client: Client, room_id: str) -> None:
        self.client = client
        self.room_id = room_id
        self._user = quote(client.user_id)

    async def keep(self, number: int) -> int:
        """Keep account data and return the status."""
        path = f"/_matrix/client/v3/user/{self._user}/account_data/com.example.kept"
        return await self._put(path, {"number": number})

    async def send(self, number: int) -> int:
        """Send a message, the same one for the same number, and return the status."""
        path = f"/_matrix/client/v3{send_path(self.room_id, f'full{number}')}"
        return await self._put(path, {"msgtype": "m.text", "body": f"message {number}"})

    async def send_until_taken(self, number: int) -> None:
        """Repeat a message, as clients do, until the room server looks at the database again."""
        async with asyncio.timeout(60):
            while await self.send(number) != HTTPStatus.OK:
                pass

    async def mark_and_type(self, event_id: str, number: int) -> None:
        """Read up to an event, and begin or stop to type."""
        path = room_path(self.room_id)
        await self.client.call("POST", f"{path}/receipt/m.read/{quote(event_id)}", {})
        typing = {"typing": number % 2 == 0, "timeout": 30_000}
        await self.client.call("PUT", f"{path}/typing/{self._user}", typing)

    async def _put(self, path: str, body: dict[str, Any]) -> int:
        token = self.client.token
        status, _ = await self.client.homeserver.once("PUT", path, token=token, body=body)
        return status


async def test_writes_are_refused_while_the_disk_is_full_and_nothing_is_lost(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice = await homeserver.register_with_secret("alice")
    room_id = await alice.create_room()
    writer = Writer(alice, room_id)
    for number in range(ROUNDS):
        await writer.mark_and_type(await alice.send(room_id, f"before {number}"), number)
        await writer.keep(number)
    since = (await alice.sync())["next_batch"]

    await asyncio.to_thread(let_no_database_grow, server)
    refused = [await writer.keep(ROUNDS), await writer.send(1), await writer.send(2)]
    await asyncio.to_thread(make_room, server)
    kept_now = await writer.keep(ROUNDS)
    await writer.send_until_taken(1)
    await writer.send_until_taken(2)
    last = await alice.send(room_id, "after")
    await writer.mark_and_type(last, 1)
    answer = await alice.sync_until(since, is_told(room_id, last))
    page = await alice.messages(room_id, dir="b", limit="4")
    code = await asyncio.to_thread(server.stop)

    assert refused == [503, 503, 503]
    assert kept_now == 200
    sent = [one["content"]["body"] for one in page["chunk"] if one["type"] == "m.room.message"]
    assert sent == ["after", "message 2", "message 1", f"before {ROUNDS - 1}"]
    kept = [one["content"] for one in answer["account_data"]["events"]]
    assert kept == [{"number": ROUNDS}]
    ready = [line["message"] for line in server.lines].index("Ready")
    complaints = [
        (line["message"], line.get("what"))
        for line in server.lines[ready:]
        if line["level"] in {"warning", "error"}
    ]
    assert complaints == [("A dependency is there, but has failed", "database")]
    assert code == 0
