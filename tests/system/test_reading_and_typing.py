"""What others see of a user who reads and types."""

from typing import Any
from urllib.parse import quote

from tests.system.client import Homeserver, room_path


def ephemeral(answer: dict[str, Any], room_id: str) -> list[dict[str, Any]]:
    part = answer["rooms"].get("join", {}).get(room_id, {})
    events: list[dict[str, Any]] = part.get("ephemeral", {}).get("events", [])
    return events


async def test_others_see_who_has_read_and_who_types(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    event_id = await alice.send(room_id, "Off with their heads")
    since = (await alice.sync())["next_batch"]

    await bob.call("POST", f"{room_path(room_id)}/receipt/m.read/{quote(event_id)}", {})
    told = await alice.sync_until(since, lambda answer: bool(ephemeral(answer, room_id)))
    (receipt,) = ephemeral(told, room_id)
    assert receipt["type"] == "m.receipt"
    assert list(receipt["content"][event_id]["m.read"]) == [bob.user_id]

    typing = f"{room_path(room_id)}/typing/{quote(bob.user_id)}"
    since = told["next_batch"]
    await bob.call("PUT", typing, {"typing": True, "timeout": 30_000})
    told = await alice.sync_until(since, lambda answer: bool(ephemeral(answer, room_id)))
    assert ephemeral(told, room_id) == [
        {"type": "m.typing", "content": {"user_ids": [bob.user_id]}}
    ]
    since = told["next_batch"]
    await bob.call("PUT", typing, {"typing": False})
    told = await alice.sync_until(since, lambda answer: bool(ephemeral(answer, room_id)))
    assert ephemeral(told, room_id) == [{"type": "m.typing", "content": {"user_ids": []}}]
