"""A conversation with reactions, edits and threads, as its members' clients see it."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.client import Client, Homeserver, Refused, room_path


def related(parent_id: str, rel_type: str, **more: Any) -> dict[str, Any]:
    return {"rel_type": rel_type, "event_id": parent_id, **more}


async def put(client: Client, room_id: str, kind: str, name: str, content: Any) -> str:
    answer = await client.call("PUT", f"{room_path(room_id)}/send/{kind}/{name}", content)
    return str(answer["event_id"])


async def bundle(client: Client, room_id: str, event_id: str) -> dict[str, Any]:
    event = await client.call("GET", f"{room_path(room_id)}/event/{quote(event_id, safe='')}")
    found: dict[str, Any] = event["unsigned"].get("m.relations", {})
    return found


async def read(client: Client, room_id: str, path: str) -> list[str]:
    """Return the IDs of the events of an answer of version 1 of the API."""
    whole = f"/_matrix/client/v1{room_path(room_id)}/{path}"
    answer = await client.homeserver.call("GET", whole, token=client.token)
    return [event["event_id"] for event in answer["chunk"]]


async def test_a_conversation_with_reactions_edits_and_a_thread(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    hello = await alice.send(room_id, "helo")

    edit = {
        "msgtype": "m.text",
        "body": "* hello",
        "m.new_content": {"msgtype": "m.text", "body": "hello"},
        "m.relates_to": related(hello, "m.replace"),
    }
    edit_id = await put(alice, room_id, "m.room.message", "edit", edit)
    assert (await bundle(bob, room_id, hello))["m.replace"]["event_id"] == edit_id

    reply = {"msgtype": "m.text", "body": "hi", "m.relates_to": related(hello, "m.thread")}
    reply_id = await put(bob, room_id, "m.room.message", "reply", reply)
    thread = (await bundle(alice, room_id, hello))["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, reply_id)
    nested = {"msgtype": "m.text", "body": "no", "m.relates_to": related(reply_id, "m.thread")}
    with pytest.raises(Refused) as refused:
        await put(bob, room_id, "m.room.message", "nested", nested)
    assert (refused.value.status, refused.value.errcode) == (400, "M_UNKNOWN")

    path = f"relations/{quote(hello, safe='')}"
    assert await read(alice, room_id, "threads") == [hello]
    assert await read(alice, room_id, path) == [reply_id, edit_id]
    assert await read(alice, room_id, f"{path}/m.thread/m.room.message") == [reply_id]


async def test_a_reaction_counts_once_until_it_is_redacted(homeserver: Homeserver) -> None:
    (alice,) = await homeserver.register_all("alice")
    room_id = await alice.create_room(preset="public_chat")
    hello = await alice.send(room_id, "hello")
    reaction = {"m.relates_to": related(hello, "m.annotation", key="🎩")}

    both = await asyncio.gather(
        *(put(alice, room_id, "m.reaction", name, reaction) for name in ("one", "two")),
        return_exceptions=True,
    )
    [reaction_id] = [one for one in both if isinstance(one, str)]
    [refusal] = [one for one in both if isinstance(one, Refused)]
    assert (refusal.status, refusal.errcode) == (400, "M_DUPLICATE_ANNOTATION")
    name = ("one", "two")[both.index(reaction_id)]
    assert await put(alice, room_id, "m.reaction", name, reaction) == reaction_id

    redact = f"{room_path(room_id)}/redact/{quote(reaction_id, safe='')}/gone"
    await alice.call("PUT", redact, {})
    assert await put(alice, room_id, "m.reaction", "again", reaction) != reaction_id
