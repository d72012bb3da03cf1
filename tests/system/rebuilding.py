"""A story of two users, and all that each of them can read of it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tests.system.client import Client, Homeserver, room_path

_VOLATILE = ("age",)


async def a_story(homeserver: Homeserver) -> tuple[Client, Client, str]:
    """Let users talk, read, tag and set things; return them and their room."""
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat", name="Tea")
    await bob.join(room_id)
    sent = [await alice.send(room_id, f"message {number}") for number in range(30)]
    await alice.redact(room_id, sent[3])
    await bob.call("POST", f"{room_path(room_id)}/receipt/m.read/{quote(sent[20])}", {})
    await alice.call("POST", f"{room_path(room_id)}/receipt/m.read.private/{quote(sent[9])}", {})
    await bob.call("POST", f"{room_path(room_id)}/read_markers", {"m.fully_read": sent[10]})
    for client in (alice, bob):
        user = f"/user/{quote(client.user_id)}"
        await client.call("PUT", f"{user}/account_data/test.data", {"mine": client.user_id})
        await client.call("PUT", f"{user}{room_path(room_id)}/tags/u.tea", {"order": 0.5})
        await client.call("PUT", f"{user}{room_path(room_id)}/account_data/test.room", {"a": 1})
    rule = {"actions": ["notify"], "pattern": "scones"}
    await bob.call("PUT", "/pushrules/global/content/scones", rule)
    return alice, bob, room_id


async def settled(clients: Sequence[Client], room_id: str) -> None:
    """Return once client sync shows what the story did last, and receipts."""
    alice, bob = clients

    def is_told(answer: dict[str, Any]) -> bool:
        rules = [one for one in answer["account_data"]["events"] if one["type"] == "m.push_rules"]
        part = answer["rooms"]["join"][room_id]
        kinds = {one["type"] for one in part["account_data"]["events"]}
        return (
            any("scones" in str(one) for one in rules)
            and {"m.fully_read", "m.tag"} <= kinds
            and bob.user_id in str(part["ephemeral"])
        )

    while not is_told(await bob.sync()):
        pass
    while alice.user_id not in str((await alice.sync())["rooms"]["join"][room_id]["ephemeral"]):
        pass


async def what_is_seen(clients: Sequence[Client], room_id: str) -> list[Any]:
    """Return all that users can read of the room and of their own, without tokens."""
    seen: list[Any] = []
    for client in clients:
        answer = await client.sync()
        part = answer["rooms"]["join"][room_id]
        part["timeline"].pop("prev_batch", None)
        part["state"]["events"].sort(key=lambda event: str(event["event_id"]))
        for section in ("account_data", "ephemeral"):
            part[section]["events"].sort(key=lambda event: str(event["type"]))
        data = sorted(answer["account_data"]["events"], key=lambda event: str(event["type"]))
        seen += [part, data, await client.walk(room_id), await client.members(room_id)]
    return [_still(one) for one in seen]


def _still(value: Any) -> Any:
    """Return what was read without what changes by itself."""
    if isinstance(value, dict):
        return {key: _still(one) for key, one in value.items() if key not in _VOLATILE}
    return [_still(one) for one in value] if isinstance(value, list) else value
