"""`xylem backup`: a copy beside a server that is busy is restored as the guide says."""

import asyncio
import contextlib
import itertools
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.system.client import Client, Homeserver, texts
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.crashes import Load
from tests.system.server_process import SHARED_SECRET, ServerProcess, xylem

ANSWERS: Final = 40
NOTE: Final = "org.example.note"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[ServerProcess]:
    """A monolith without rate limits, empty at first."""
    process = ServerProcess(tmp_path, NO_RATE_LIMITS)
    process.start()
    yield process
    process.kill()


def backup(server: ServerProcess, folder: Path) -> subprocess.CompletedProcess[str]:
    config = str(server.config_path)
    return xylem("backup", str(folder), "--config", config, cwd=server.folder)


def restore(server: ServerProcess, folder: Path) -> None:
    """Do what the guide says, with a server that does not run."""
    data = server.folder / "data"
    shutil.rmtree(data)
    shutil.copytree(folder / "data", data)


def note_path(client: Client) -> str:
    return f"/user/{client.user_id}/account_data/{NOTE}"


class Notes:
    """Clients that change their account data all the time."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
        self.answered = dict.fromkeys((client.user_id for client in clients), 0)

    @contextlib.asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write while the context lasts."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._write(client)) for client in self._clients]
            yield
            for task in tasks:
                task.cancel()

    async def _write(self, client: Client) -> None:
        for number in itertools.count(1):
            await client.call("PUT", note_path(client), {"number": number})
            self.answered[client.user_id] = number


def noted(answer: dict[str, Any]) -> list[int]:
    """Return the notes that a sync tells of."""
    events = answer.get("account_data", {}).get("events", [])
    return [event["content"]["number"] for event in events if event["type"] == NOTE]


async def test_a_backup_of_a_busy_server_has_all_that_was_answered_before_and_nothing_twice(
    busy: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: busy.url, shared_secret=SHARED_SECRET)
    members = await homeserver.register_all("alice", "bob", "carol")
    others = await homeserver.register_all("wanderer", "redactor", "founder")
    room_id = await members[0].create_room(preset="public_chat")
    for client in (*members[1:], others[1]):
        await client.join(room_id)
    load, notes = Load(members, others, [room_id]), Notes(members)
    folder = busy.folder / "backup"
    load.flow()

    async with load.running():
        async with notes.written():
            await load.until_answered(ANSWERS)
            sent, answered = list(load.sent), dict(notes.answered)
            made = await asyncio.to_thread(backup, busy, folder)
            await load.until_answered(ANSWERS)
        await load.pause()
    newer = [(await member.sync())["next_batch"] for member in members]
    busy.kill()
    restore(busy, folder)
    busy.start()

    assert (made.returncode, made.stderr) == (0, "")
    history = texts(await members[0].walk(room_id, limit=200))
    assert {one.text for one in sent} <= set(history)
    assert set(Counter(history).values()) == {1}
    for member, token in zip(members, newer, strict=True):
        again = await member.sync(token)
        assert again["rooms"]["join"][room_id]["timeline"]["limited"] is True
        assert noted(again)[0] >= answered[member.user_id]
        for number in range(-3, 0):
            await member.call("PUT", note_path(member), {"number": number})
            again = await member.sync(again["next_batch"])
            assert noted(again) == [number]
    repeated = sent[-1]
    assert await repeated.repeat() == repeated.event_id
    assert not busy.errors()


async def test_a_stopped_server_is_backed_up_for_its_owner_alone_and_nothing_is_overwritten(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    (alice,) = await homeserver.register_all("alice")
    room_id = await alice.create_room()
    await alice.send(room_id, "kept")
    server.stop()
    folder = server.folder / "backup"

    made = backup(server, folder)
    again = backup(server, folder)
    inside = backup(server, server.folder / "data" / "backup")
    restore(server, folder)
    server.start()

    assert made.returncode == 0, made.stderr
    assert "data/databases/roomserver.db" in made.stdout
    assert (again.returncode, inside.returncode) == (1, 1)
    assert "nothing is overwritten" in again.stderr
    assert "is in the data directory" in inside.stderr
    assert (folder / "xylem.yaml").read_text() == server.config_path.read_text()
    assert not [path for path in server.folder.iterdir() if path.name.endswith(".unfinished")]
    paths = [folder, *folder.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert texts(await alice.walk(room_id))[-1] == "kept"


@pytest.mark.postgres
async def test_with_postgresql_only_a_stopped_server_is_backed_up_and_the_rest_is_named(
    tmp_path: Path, postgres_url: str
) -> None:
    server = ServerProcess(tmp_path, {"database": {"url": postgres_url}})
    server.start()
    running = backup(server, tmp_path / "backup")
    server.stop()
    stopped = backup(server, tmp_path / "backup")

    assert running.returncode == 1
    assert "Another server runs on the data directory" in running.stderr
    assert stopped.returncode == 0
    assert "pg_dump" in stopped.stdout
    assert sorted(path.name for path in (tmp_path / "backup" / "data").iterdir()) == [
        "log",
        "signing.key",
    ]
