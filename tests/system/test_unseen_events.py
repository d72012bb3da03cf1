"""An event that a member may not see is to them as one that does not exist, at every endpoint."""

from typing import Any, Final
from urllib.parse import quote

import aiohttp

from tests.system.client import V3, Client, Homeserver, room_path, send_path
from tests.system.server_process import SHARED_SECRET, ServerProcess

_UNKNOWN: Final = "$" + "A" * 43


async def asked_about(
    bob: Client, room_id: str, event_id: str, mine: str, number: int
) -> dict[str, tuple[int, Any]]:
    """Name an event wherever an endpoint takes one; return status and error of each answer."""
    room, event = room_path(room_id), quote(event_id, safe="")
    relation = {"event_id": event_id}
    requests: dict[str, tuple[str, str, Any]] = {
        "event": ("GET", f"{room}/event/{event}", None),
        "event of any room": ("GET", f"/events/{event}", None),
        "context": ("GET", f"{room}/context/{event}", None),
        "report": ("POST", f"{room}/report/{event}", {"reason": "rude"}),
        "redact": ("PUT", f"{room}/redact/{event}/r{number}", {}),
        "redaction": ("PUT", send_path(room_id, f"s{number}", "m.room.redaction"), relation),
        "markers": ("POST", f"{room}/read_markers", {"m.read": mine, "m.fully_read": event_id}),
    }
    requests["redaction"][2]["redacts"] = event_id
    for kind in ("m.read", "m.read.private", "m.fully_read"):
        requests[kind] = ("POST", f"{room}/receipt/{kind}/{event}", {})
        requests[f"{kind} marker"] = ("POST", f"{room}/read_markers", {kind: event_id})
    threads = {"main": "main", "mine": mine, "it": event_id}
    for thread, thread_id in threads.items():
        body = {"thread_id": thread_id}
        requests[f"receipt in {thread}"] = ("POST", f"{room}/receipt/m.read/{event}", body)
    requests["thread of mine"] = (
        "POST",
        f"{room}/receipt/m.read/{quote(mine, safe='')}",
        {"thread_id": event_id},
    )
    for kind in ("m.thread", "m.annotation", "m.replace", "m.reference"):
        content = {"body": "so", "m.relates_to": {**relation, "rel_type": kind, "key": "+"}}
        path = send_path(room_id, f"{kind}{number}")
        requests[kind] = ("PUT", path, content)
        requests[f"state {kind}"] = ("PUT", f"{room}/state/org.example.{kind}/{number}", content)
    found = await answers(bob, requests)
    for kind in ("m.annotation", "m.reference"):
        own = quote(found[kind][1]["event_id"], safe="")
        receipts = {
            f"{kind} in {thread}": (
                "POST",
                f"{room}/receipt/m.read/{own}",
                {"thread_id": thread_id},
            )
            for thread, thread_id in threads.items()
        }
        found |= await answers(bob, receipts)
    for path in ("relations/{event}", "relations/{event}/m.thread"):
        whole = f"/_matrix/client/v1{room}/{path.format(event=event)}"
        found[path] = await bob.homeserver.once("GET", whole, token=bob.token)
    return {name: _alike(answer, event_id) for name, answer in found.items()}


async def answers(
    client: Client, requests: dict[str, tuple[str, str, Any]]
) -> dict[str, tuple[int, Any]]:
    return {
        name: await client.homeserver.once(method, f"{V3}{path}", token=client.token, body=body)
        for name, (method, path, body) in requests.items()
    }


def _alike(answer: tuple[int, Any], event_id: str) -> tuple[int, Any]:
    status, body = answer
    if status == 200:
        return status, sorted(body)
    return status, {key: str(value).replace(event_id, "$asked") for key, value in body.items()}


async def test_unknown_and_unseen_events_are_answered_alike(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice, bob = await homeserver.register_all("alice", "bob")
    visibility = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = await alice.create_room(
        preset="public_chat",
        initial_state=[visibility],
        power_level_content_override={"redact": 0, "state_default": 0},
    )
    plain = await alice.send(room_id, "before bob")
    related = {
        "in a thread": {"rel_type": "m.thread", "event_id": plain},
        "a reaction": {"rel_type": "m.annotation", "event_id": plain, "key": "+"},
    }
    unseen = {"plain": plain}
    for name, relation in related.items():
        content = {"body": name, "m.relates_to": relation}
        path = send_path(room_id, name)
        unseen[name] = (await alice.call("PUT", path, content))["event_id"]
    unseen["redacted"] = await alice.send(room_id, "redacted")
    await alice.redact(room_id, unseen["redacted"])
    elsewhere = await alice.create_room(preset="private_chat")
    unseen["of another room"] = await alice.send(elsewhere, "not for bob")
    await bob.join(room_id)
    mine = await bob.send(room_id, "bob is here")
    seen = await alice.send(room_id, "after bob came")

    unknown = await asked_about(bob, room_id, _UNKNOWN, mine, 0)

    for number, (name, event_id) in enumerate(unseen.items(), 1):
        assert await asked_about(bob, room_id, event_id, mine, number) == unknown, name
    refused = {name for name, (status, _) in unknown.items() if status == 404}
    assert {"m.read", "m.fully_read marker", "redact", "redaction", "report"} <= refused
    shown = await asked_about(bob, room_id, seen, mine, 100)
    assert {name for name, (status, _) in shown.items() if status == 404} == set()
    # Nothing was written for what was refused.
    assert (await alice.event(room_id, plain))["content"]["body"] == "before bob"
