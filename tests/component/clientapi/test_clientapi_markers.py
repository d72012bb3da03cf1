"""Typing, receipts and read markers: what is accepted and written, and what refused."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from logs.records.receipts import InputReceipt
from logs.records.typing import InputTyping, TypingRequested
from logs.topics import INPUT_RECEIPT, INPUT_TYPING, Topic
from tests.component.clientapi.clientapi_server import V3, House, User

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
INVALID = (400, "M_INVALID_PARAM")


async def written(house: House, topic: Topic[Any]) -> list[Any]:
    """Return what is in a topic; each record has to have the key of its room."""
    end = (await house.log.bounds(topic.name))[0][1]
    tail = await house.log.tail(topic.name, {0: 0})
    found: list[Any] = []
    while len(found) < end:
        for one in await tail.read():
            record = topic.decode(one.value)
            assert one.key == record.room_id
            found.append(record)
    await tail.close()
    return found


async def typing_in(house: House) -> list[InputTyping]:
    return await written(house, INPUT_TYPING)


async def marks_in(house: House) -> list[InputReceipt]:
    return await written(house, INPUT_RECEIPT)


async def sent(user: User, room_id: str, **relates_to: Any) -> str:
    """Send a message and return its ID."""
    content = {"body": "hello", **({"m.relates_to": relates_to} if relates_to else {})}
    return str((await user.send(room_id, content)).json["event_id"])


async def receipt(user: User, room_id: str, event_id: str, **body: Any) -> tuple[int, str | None]:
    """Mark an event as read and return the status and error."""
    path = f"/rooms/{quote(room_id)}/receipt/m.read/{quote(event_id)}"
    answer = await user.post(path, body)
    return answer.status, answer.errcode


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
        ("m.read/$event", {"thread_id": "root"}, (400, "M_INVALID_PARAM")),
        ("m.read/$event", {"thread_id": "$root\0"}, (400, "M_INVALID_PARAM")),
        ("m.read/$event", {"thread_id": "main"}, (404, "M_NOT_FOUND")),
        ("m.read/$event", {}, (404, "M_NOT_FOUND")),
    ],
)
async def test_a_receipt_names_an_event_and_a_thread(
    alice: User, room_id: str, path: str, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await alice.post(f"/rooms/{quote(room_id)}/receipt/{path}", body)

    assert (answer.status, answer.errcode) == refusal


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


async def test_typing_is_written_with_its_time(house: House, alice: User, room_id: str) -> None:
    path = f"/rooms/{quote(room_id)}/typing/{alice.user_id}"
    for body in (
        {"typing": True, "timeout": 12_345},
        {"typing": True},
        {"typing": True, "timeout": 10**18},
        {"typing": False, "timeout": 5},
    ):
        assert (await alice.put(path, body)).status == 200

    assert await typing_in(house) == [
        TypingRequested(room_id, alice.user_id, timeout_ms)
        for timeout_ms in (12_345, 30_000, 3_600_000, 0)
    ]


async def test_receipts_are_written_with_the_place_of_their_event(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    first, second = await sent(alice, room_id), await sent(alice, room_id)
    assert await receipt(bob, room_id, second, thread_id="main") == (200, None)
    markers = {"m.fully_read": first, "m.read.private": second}
    assert (await alice.in_room("read_markers", room_id, **markers)).status == 200

    marks = await marks_in(house)

    depths = {event_id: (await house.event(event_id)).depth for event_id in (first, second)}
    assert [(one.user_id, one.receipt_type, one.event_id, one.thread_id) for one in marks] == [
        (bob.user_id, "m.read", second, "main"),
        (alice.user_id, "m.read.private", second, None),
        (alice.user_id, "m.fully_read", first, None),
    ]
    assert [one.place.depth for one in marks] == [depths[one.event_id] for one in marks]
    assert all(one.ts > 1_600_000_000_000 for one in marks)


async def test_only_events_of_the_room_are_marked(house: House, alice: User, room_id: str) -> None:
    elsewhere = await sent(alice, await alice.create_room())
    here = await sent(alice, room_id)
    markers = {"m.read": here, "m.fully_read": elsewhere}

    marked = await alice.in_room("read_markers", room_id, **markers)

    assert (marked.status, marked.errcode) == NOT_FOUND
    assert await receipt(alice, room_id, elsewhere) == NOT_FOUND
    assert await marks_in(house) == []


async def test_a_receipt_of_a_thread_is_for_an_event_in_it(alice: User, room_id: str) -> None:
    root, other = await sent(alice, room_id), await sent(alice, room_id)
    reply = await sent(alice, room_id, rel_type="m.thread", event_id=root)
    reaction = await sent(alice, room_id, rel_type="m.annotation", event_id=reply)
    of_root = await sent(alice, room_id, rel_type="m.reference", event_id=root)
    odd = await sent(alice, room_id, rel_type=5, event_id=root)
    nul = await sent(alice, room_id, rel_type="m.reference", event_id="$\0")
    accepted = {
        (root, "main"),
        (root, root),
        (other, "main"),
        (other, other),
        (reply, root),
        (reaction, root),
        (of_root, "main"),
        (of_root, root),
        (of_root, of_root),
        (odd, "main"),
        (nul, "main"),
    }

    for event_id in (root, other, reply, reaction, of_root, odd, nul):
        for thread_id in ("main", root, other):
            expected = (200, None) if (event_id, thread_id) in accepted else INVALID
            assert await receipt(alice, room_id, event_id, thread_id=thread_id) == expected


async def test_a_redacted_event_may_be_marked_in_any_thread(alice: User, room_id: str) -> None:
    root = await sent(alice, room_id)
    reply = await sent(alice, room_id, rel_type="m.thread", event_id=root)
    await alice.redact(room_id, reply)

    assert await receipt(alice, room_id, reply, thread_id=root) == (200, None)
    assert await receipt(alice, room_id, reply, thread_id="main") == (200, None)
    assert await receipt(alice, room_id, reply, thread_id="$made-up") == (400, "M_INVALID_PARAM")


async def test_many_mark_at_once(house: House, alice: User, bob: User, room_id: str) -> None:
    event_ids = [await sent(alice, room_id) for _ in range(5)]
    wanted = [(user, one) for user in (alice, bob) for one in (*event_ids, "$unknown")]

    answers = await asyncio.gather(*(receipt(user, room_id, one) for user, one in wanted))

    assert answers == ([(200, None)] * 5 + [NOT_FOUND]) * 2
    marked = {(one.user_id, one.event_id) for one in await marks_in(house)}
    assert marked == {(user.user_id, one) for user, one in wanted if one != "$unknown"}


async def test_nothing_is_marked_without_the_log(house: House, alice: User, room_id: str) -> None:
    event_id = await sent(alice, room_id)
    await house.log.close()

    path = f"/rooms/{quote(room_id)}/typing/{alice.user_id}"
    typing = await alice.put(path, {"typing": True})

    assert await receipt(alice, room_id, event_id) == (503, "M_UNKNOWN")
    assert (typing.status, typing.errcode) == (503, "M_UNKNOWN")
