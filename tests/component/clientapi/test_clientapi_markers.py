"""Typing, receipts and read markers: what is accepted and what refused."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.component.clientapi.clientapi_server import V3, User

FORBIDDEN = (403, "M_FORBIDDEN")


async def test_members_type(alice: User, bob: User, charlie: User, room_id: str) -> None:
    path = f"/rooms/{quote(room_id)}/typing"

    started = await alice.put(f"{path}/{alice.user_id}", {"typing": True, "timeout": 30_000})
    stopped = await alice.put(f"{path}/{alice.user_id}", {"typing": False})
    for_another = await alice.put(f"{path}/{bob.user_id}", {"typing": True})
    outside = await charlie.put(f"{path}/{charlie.user_id}", {"typing": True})
    empty = await alice.put(f"{path}/{alice.user_id}", {})
    wrong = await alice.put(f"{path}/{alice.user_id}", {"typing": "yes"})
    negative = await alice.put(f"{path}/{alice.user_id}", {"typing": True, "timeout": -1})

    assert (started.status, started.json) == (200, {})
    assert (stopped.status, stopped.json) == (200, {})
    assert (for_another.status, for_another.errcode) == FORBIDDEN
    assert (outside.status, outside.errcode) == FORBIDDEN
    assert (empty.status, empty.errcode) == (400, "M_MISSING_PARAM")
    assert (wrong.status, wrong.errcode) == (400, "M_BAD_JSON")
    assert (negative.status, negative.errcode) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("kind", ["m.read", "m.read.private", "m.fully_read"])
async def test_members_mark_what_they_have_read(
    alice: User, charlie: User, room_id: str, kind: str
) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]
    path = f"/rooms/{quote(room_id)}/receipt/{kind}/{quote(event_id)}"

    marked = await alice.post(path, {})
    without_body = await alice.client.post(V3 + path)
    outside = await charlie.post(path, {})

    assert (marked.status, marked.json) == (200, {})
    assert without_body.status == 200
    assert (outside.status, outside.errcode) == FORBIDDEN


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("m.written/$event", {}, (400, "M_INVALID_PARAM")),
        ("m.read/event", {}, (400, "M_INVALID_PARAM")),
        ("m.read/$event", {"thread_id": ""}, (400, "M_INVALID_PARAM")),
        ("m.read/$event", {"thread_id": 5}, (400, "M_INVALID_PARAM")),
        ("m.fully_read/$event", {"thread_id": "main"}, (400, "M_INVALID_PARAM")),
        ("m.read/$event", {"thread_id": "main"}, None),
    ],
)
async def test_a_receipt_names_an_event_and_a_thread(
    alice: User, room_id: str, path: str, body: dict[str, Any], refusal: tuple[int, str] | None
) -> None:
    answer = await alice.post(f"/rooms/{quote(room_id)}/receipt/{path}", body)

    assert (answer.status, answer.errcode) == (refusal or (200, None))


async def test_members_set_read_markers(alice: User, charlie: User, room_id: str) -> None:
    event_id = (await alice.send(room_id)).json["event_id"]
    body = {"m.fully_read": event_id, "m.read": event_id, "m.read.private": event_id}

    marked = await alice.in_room("read_markers", room_id, **body)
    nothing = await alice.in_room("read_markers", room_id)
    wrong = await alice.in_room("read_markers", room_id, **{"m.read": 5})
    malformed = await alice.in_room("read_markers", room_id, **{"m.read": "event"})
    outside = await charlie.in_room("read_markers", room_id, **body)

    assert (marked.status, marked.json) == (200, {})
    assert nothing.status == 200
    assert (wrong.status, wrong.errcode) == (400, "M_BAD_JSON")
    assert (malformed.status, malformed.errcode) == (400, "M_INVALID_PARAM")
    assert (outside.status, outside.errcode) == FORBIDDEN
