"""A disk that fails under the log ends the server, and nothing is lost when it starts again."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.system import broken_disk
from tests.system.client import Homeserver, Refused
from tests.system.server_process import SHARED_SECRET, ServerProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path, module="tests.system.broken_disk")
    process.start()
    yield process
    process.kill()


async def test_a_server_whose_log_cannot_be_written_ends_and_has_all_when_it_starts_again(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice = await homeserver.register("alice")
    room_id = await alice.create_room()
    sent = [await alice.send(room_id, f"message {number}") for number in range(5)]

    await asyncio.to_thread((server.folder / broken_disk.PIPE).write_bytes, b"")
    ended = asyncio.create_task(asyncio.to_thread(server.wait_for_end))
    with contextlib.suppress(aiohttp.ClientError, Refused):
        while not ended.done():
            sent.append(await alice.send(room_id, f"message {len(sent)}"))
    code = await ended

    assert code == 1, server.lines
    (server.folder / broken_disk.PIPE).unlink()
    server.start()
    sent.append(await alice.send(room_id, "again"))
    messages = [one for one in await alice.walk(room_id) if one["type"] == "m.room.message"]
    # Of the one that was refused nobody knows whether it was written.
    assert [one["event_id"] for one in messages if one["event_id"] in sent] == sent
    assert len(messages) <= len(sent) + 1
