"""`xylem export-data`: a user gets what the server holds of them, and nothing of others."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.system.client import Client, Homeserver
from tests.system.server_process import ServerProcess, xylem


async def exported(server: ServerProcess, user: str, folder: Path) -> int:
    config = str(server.config_path)
    arguments = ("export-data", user, str(folder), "--config", config)
    return (await asyncio.to_thread(xylem, *arguments, cwd=server.folder)).returncode


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def said(folder: Path) -> list[str]:
    return [event["content"]["body"] for event in lines(folder) if "body" in event["content"]]


async def a_room_that_bob_has_left(alice: Client, bob: Client) -> str:
    visibility = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(preset="public_chat", initial_state=[visibility])
    await alice.send(room_id, "before")
    await bob.join(room_id)
    for number in range(250):
        await alice.send(room_id, str(number))
    await bob.leave(room_id)
    await alice.send(room_id, "after")
    return room_id


async def test_a_user_gets_account_data_and_the_events_that_they_may_read(
    busy_server: ServerProcess, homeserver: Homeserver
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    left = await a_room_that_bob_has_left(alice, bob)
    invited = await alice.create_room(name="Secret", invite=[bob.user_id])
    await alice.send(invited, "not for bob yet")
    await bob.call("PUT", f"/user/{bob.user_id}/account_data/org.example.note", {"a": 1})
    await bob.call("PUT", f"/profile/{bob.user_id}/displayname", {"displayname": "Bob B."})
    folder = busy_server.folder / "bob"

    code = await exported(busy_server, bob.user_id, folder)

    assert code == 0
    account = json.loads((folder / "account.json").read_text())
    assert account["account"]["user_id"] == bob.user_id
    assert account["profile"] == {"displayname": "Bob B."}
    assert [device["device_id"] for device in account["devices"]] == [bob.device_id]
    kept = lines(folder / "account_data.jsonl")
    assert {"room_id": None, "type": "org.example.note", "content": {"a": 1}} in kept
    rooms = {room["room_id"]: room for room in lines(folder / "rooms.jsonl")}
    assert {room_id: room["membership"] for room_id, room in rooms.items()} == {
        left: "leave",
        invited: "invite",
    }
    place = folder / "rooms" / rooms[left]["folder"]
    assert said(place / "events.jsonl") == [str(number) for number in range(250)]
    state = json.loads((place / "state.json").read_text())
    assert {event["room_id"] for event in state} == {left}
    unread = folder / "rooms" / rooms[invited]["folder"]
    assert (unread / "events.jsonl").read_text() == ""
    assert json.loads((unread / "state.json").read_text()) == []


async def test_a_folder_that_is_there_and_a_user_who_is_not_are_refused(
    busy_server: ServerProcess, homeserver: Homeserver
) -> None:
    (alice,) = await homeserver.register_all("alice")
    there, new = busy_server.folder / "there", busy_server.folder / "new"
    there.mkdir()

    assert await exported(busy_server, alice.user_id, there) == 1
    assert await exported(busy_server, "nobody", new) == 1
    assert not new.exists()
