"""Rooms are found in a space, reported to an administrator, left and forgotten: all in one run."""

import json
from typing import Any
from urllib.parse import quote

from tests.system.client import Client, Homeserver, room_path

V1 = "/_matrix/client/v1"


async def ask(client: Client | Homeserver, path: str, **query: str) -> Any:
    """Make a request to version 1 of the API, as a user or as nobody."""
    if isinstance(client, Client):
        homeserver, token = client.homeserver, client.token
        return await homeserver.call("GET", V1 + path, token=token, query=query)
    return await client.call("GET", V1 + path, query=query)


async def test_a_room_is_found_in_a_space_and_by_its_alias(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    alias = f"found-{alice.user_id[1:].partition(':')[0]}"
    room_id = await alice.create_room(preset="public_chat", room_alias_name=alias, name="Found")
    space_id = await alice.create_room(
        preset="public_chat", creation_content={"type": "m.space"}, name="Space"
    )
    await alice.set_state(space_id, "m.space.child", {"via": ["xylem.test"]}, room_id)

    found = await ask(bob, f"{room_path(space_id)}/hierarchy")
    server_name = alice.user_id.partition(":")[2]
    whole = quote(f"#{alias}:{server_name}", safe="")
    summary = await ask(homeserver, f"/room_summary/{whole}")

    assert [one["room_id"] for one in found["rooms"]] == [space_id, room_id]
    assert [one["state_key"] for one in found["rooms"][0]["children_state"]] == [room_id]
    assert (summary["room_id"], summary["name"]) == (room_id, "Found")
    assert "membership" not in summary


async def test_a_member_reports_leaves_and_forgets(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    root = await homeserver.register_with_secret("root", admin=True)
    room_id = await alice.create_room(preset="public_chat", name="Rude")
    await bob.join(room_id)
    assert (await ask(bob, "/mutual_rooms", user_id=alice.user_id))["joined"] == [room_id]
    event_id = await alice.send(room_id, "Something rude")
    event = await bob.event(room_id, event_id)
    moment = await ask(
        bob, f"{room_path(room_id)}/timestamp_to_event", ts=str(event["origin_server_ts"]), dir="b"
    )
    assert moment["event_id"] == event_id

    path = f"{room_path(room_id)}/report/{quote(event_id, safe='')}"
    await bob.call("POST", path, {"reason": "rude"})
    await bob.call("POST", f"/users/{quote(alice.user_id)}/report", {"reason": "rude"})
    assert await bob.refusal("POST", f"{room_path(room_id)}/forget", {}) == (400, "M_UNKNOWN")
    await bob.leave(room_id)
    await bob.call("POST", f"{room_path(room_id)}/forget", {})

    reports = await homeserver.call(
        "GET",
        "/_synapse/admin/v1/event_reports",
        token=root.token,
        query={"room_id": room_id},
    )
    assert [(one["event_id"], one["name"]) for one in reports["event_reports"]] == [
        (event_id, "Rude")
    ]
    with_left = json.dumps({"room": {"include_leave": True}})
    answer = await bob.call("GET", "/sync", query={"filter": with_left})
    assert room_id not in answer.get("rooms", {}).get("leave", {})
    page = f"{room_path(room_id)}/messages"
    assert await bob.refusal("GET", page, query={"dir": "b"}) == (403, "M_FORBIDDEN")
    await bob.join(room_id)
    assert (await bob.messages(room_id, dir="b"))["chunk"]
