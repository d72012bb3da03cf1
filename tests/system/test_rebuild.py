"""`xylem rebuild`: a reader's tables are made again, and clients see the same again."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from logs.topics import INPUT_RECEIPT, INPUT_TYPING, OUTPUT_ROOM_EVENT
from tests.fixtures.dropped_records import drop_records
from tests.system.client import Client, Homeserver, room_path
from tests.system.rebuilding import a_story, settled, what_is_seen
from tests.system.server_process import SHARED_SECRET, ServerProcess, xylem


def log_of(server: ServerProcess) -> Path:
    return server.folder / "data" / "log"


def command(server: ServerProcess, *arguments: str) -> tuple[int, str]:
    """Run a command of xylem with the server's settings; return its exit code and output."""
    done = xylem(*arguments, "--config", str(server.config_path), cwd=server.folder)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def homeserver(server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    return Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)


async def test_members_see_the_same_after_client_sync_was_rebuilt_without_the_topics(
    server: ServerProcess, homeserver: Homeserver
) -> None:
    alice, bob, room_id = await a_story(homeserver)
    await settled([alice, bob], room_id)
    before = await what_is_seen([alice, bob], room_id)
    server.stop()
    await drop_records(log_of(server))

    code, said = command(server, "rebuild", "syncapi")

    assert code == 0, said
    assert "1 of 1 rooms" in said
    server.start()
    # A receipt that is announced again may move while a first /sync is read: the next one has it.
    await settled([alice, bob], room_id)
    assert await what_is_seen([alice, bob], room_id) == before
    event_id = await alice.send(room_id, "more tea")
    assert (await bob.walk(room_id))[-1]["event_id"] == event_id


async def test_what_the_log_has_beyond_restored_databases_is_seen_after_a_rebuild(
    server: ServerProcess, homeserver: Homeserver
) -> None:
    alice, bob, room_id = await a_story(homeserver)
    databases, backup = server.folder / "data" / "databases", server.folder / "backup"
    server.stop()
    shutil.copytree(databases, backup)
    server.start()
    later = [await alice.send(room_id, f"later {number}") for number in range(20)]
    await alice.redact(room_id, later[3])
    await bob.call("POST", f"{room_path(room_id)}/leave", {})
    await bob.call("POST", f"{room_path(room_id)}/forget", {})
    await bob.join(room_id)
    markers = {"m.read": later[15], "m.fully_read": later[12]}
    await bob.call("POST", f"{room_path(room_id)}/read_markers", markers)
    other_id = await alice.create_room(preset="public_chat", name="Cake")
    await bob.join(other_id)
    await bob.send(other_id, "cake")
    before = await what_is_left([alice, bob], [room_id, other_id])
    server.stop()
    shutil.rmtree(databases)
    shutil.copytree(backup, databases)

    # The room server has yet to read what the log has beyond its database.
    code, said = command(server, "rebuild", "syncapi")

    assert code == 0, said
    server.start()
    for one in (room_id, other_id):
        # Answered once all before it is.
        await alice.send(one, "I am back")
    assert await what_is_left([alice, bob], [room_id, other_id], newer=1) == before


async def what_is_left(
    clients: Sequence[Client], rooms: Sequence[str], *, newer: int = 0
) -> list[Any]:
    """Return what users see of rooms but for the newest events, and what they have read."""
    seen: list[Any] = []
    for client in clients:
        joined = (await client.sync())["rooms"]["join"]
        for room_id in rooms:
            part = joined[room_id]
            events = await client.walk(room_id)
            seen += [
                [(one["event_id"], one["content"]) for one in events[: len(events) - newer]],
                await client.members(room_id),
                sorted(map(str, part["account_data"]["events"])),
                [one["content"] for one in part["ephemeral"]["events"]],
            ]
    return seen


def test_a_running_server_is_not_rebuilt(server: ServerProcess) -> None:
    code, _ = command(server, "rebuild", "syncapi")

    assert code == 1


@pytest.mark.parametrize(
    "component", ["userapi", "roomserver", "receipts", "eduserver", "keyserver"]
)
def test_a_component_with_nothing_to_rebuild_says_why(
    server: ServerProcess, component: str
) -> None:
    code, said = command(server, "rebuild", component)

    assert code == 2
    assert "Nothing to rebuild" in said


async def test_a_server_does_not_start_behind_records_that_were_dropped(
    server: ServerProcess, homeserver: Homeserver
) -> None:
    alice, bob, room_id = await a_story(homeserver)
    await settled([alice, bob], room_id)
    before = await what_is_seen([alice, bob], room_id)
    server.stop()
    await drop_records(log_of(server), OUTPUT_ROOM_EVENT.name)

    refused, said = await asyncio.to_thread(command, server, "monolith")

    assert refused == 1
    assert "Run `xylem rebuild syncapi`." in said
    assert command(server, "rebuild", "syncapi")[0] == 0
    server.start()
    # A receipt that is announced again may move while a first /sync is read: the next one has it.
    await settled([alice, bob], room_id)
    assert await what_is_seen([alice, bob], room_id) == before


async def test_what_is_lost_for_good_is_skipped_on_purpose_only(server: ServerProcess) -> None:
    server.stop()
    await drop_records(log_of(server), INPUT_RECEIPT.name)

    refused, said = await asyncio.to_thread(command, server, "monolith")
    skipped = command(server, "skip-lost", "receipts")
    again = command(server, "skip-lost", "receipts")

    assert refused == 1
    assert "Run `xylem skip-lost receipts`." in said
    assert skipped == (0, "InputReceipt/0: 1 records are lost, from 0 on\n")
    assert again == (0, "InputReceipt: nothing is missing\n")
    server.start()


async def test_typing_that_was_dropped_holds_nothing_up(server: ServerProcess) -> None:
    server.stop()
    await drop_records(log_of(server), INPUT_TYPING.name)

    server.start()

    [told] = [line for line in server.lines if "too old to matter" in line["message"]]
    assert (told["topic"], told["first"], told["end"]) == (INPUT_TYPING.name, 0, 1)
