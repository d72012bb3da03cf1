"""Sending messages: transactions, refusals, many senders at once."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from base.clock import ManualClock
from base.limits import Rate
from matrix.room_versions import ROOM_VERSIONS
from tests.component.clientapi.clientapi_server import (
    NO_RATES,
    V3,
    House,
    Options,
    User,
    running_house,
    with_settings,
)


async def test_a_message_stands_in_the_room_once_it_is_answered(
    house: House, alice: User, room_id: str
) -> None:
    answer = await alice.send(room_id, {"msgtype": "m.text", "body": "hello"})

    event = await house.event(answer.json["event_id"])
    assert event.sender == alice.user_id
    assert event.content == {"msgtype": "m.text", "body": "hello"}
    assert (await house.history(room_id))[-1].event_id == event.event_id


async def test_both_versions_of_the_api_take_messages(alice: User, room_id: str) -> None:
    path = f"/rooms/{quote(room_id)}/send/m.room.message/t1"

    answer = await alice.client.put(f"/_matrix/client/r0{path}", {"body": "hello"})
    again = await alice.client.put(f"{V3}{path}", {"body": "hello"})

    assert answer.status == 200
    assert again.json == answer.json


async def test_a_repeated_transaction_makes_one_event(
    house: House, alice: User, room_id: str
) -> None:
    before = len(await house.history(room_id))

    first, second = await asyncio.gather(
        alice.send(room_id, transaction="same"), alice.send(room_id, transaction="same")
    )
    third = await alice.send(room_id, transaction="same")

    assert first.json == second.json == third.json
    assert len(await house.history(room_id)) == before + 1


async def test_a_transaction_that_the_memory_lost_is_recognised_by_the_room_server(
    tmp_path: Path,
) -> None:
    async with running_house(tmp_path, with_settings(remembered_transactions=1)) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room()
        first = await alice.send(room_id, transaction="same")
        await alice.send(room_id, transaction="other")

        again = await alice.send(room_id, transaction="same")

        assert again.json == first.json


async def test_transactions_of_other_types_rooms_and_users_are_others(
    alice: User, bob: User, room_id: str
) -> None:
    other_room = await alice.create_room()

    answers = [
        await alice.send(room_id, transaction="same"),
        await alice.send(room_id, kind="org.example", transaction="same"),
        await alice.send(other_room, transaction="same"),
        await bob.send(room_id, transaction="same"),
    ]

    assert len({answer.json["event_id"] for answer in answers}) == 4


async def test_a_refused_transaction_can_be_tried_again(
    alice: User, bob: User, room_id: str
) -> None:
    await alice.in_room("kick", room_id, user_id=bob.user_id)
    refused = await bob.send(room_id, transaction="same")
    await bob.join(room_id)

    answer = await bob.send(room_id, transaction="same")

    assert (refused.status, answer.status) == (403, 200)


@pytest.mark.parametrize("version", ["2", "12"])
async def test_twenty_senders_at_once_make_one_chain(house: House, version: str) -> None:
    users = [await house.user(f"user{number}") for number in range(20)]
    room_id = await users[0].create_room(preset="public_chat", room_version=version)
    joins = await asyncio.gather(*(user.join(room_id) for user in users[1:]))
    assert {answer.status for answer in joins} == {200}

    answers = await asyncio.gather(*(user.send(room_id) for user in users for _ in range(5)))

    assert {answer.status for answer in answers} == {200}
    events = await house.history(room_id)
    assert (
        len(
            {event.event_id for event in events[-100:]}
            & {answer.json["event_id"] for answer in answers}
        )
        == 100
    )
    assert [event.depth for event in events] == list(range(1, len(events) + 1))
    assert all(len(event.prev_event_ids) == 1 for event in events[1:])


async def test_messages_and_state_at_once_make_one_chain(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    answers = await asyncio.gather(
        *(
            alice.set_state(room_id, "m.room.name", {"name": f"{number}"})
            if number % 3 == 0
            else bob.send(room_id)
            for number in range(30)
        )
    )

    assert {answer.status for answer in answers} == {200}
    events = await house.history(room_id)
    assert [event.depth for event in events] == list(range(1, len(events) + 1))


async def test_only_members_send(alice: User, charlie: User, room_id: str) -> None:
    outside = await charlie.send(room_id)
    elsewhere = await alice.send("!nowhere:xylem.test")
    malformed = await alice.send("nowhere")

    assert (outside.status, outside.errcode) == (403, "M_FORBIDDEN")
    assert (elsewhere.status, elsewhere.errcode) == (404, "M_NOT_FOUND")
    assert (malformed.status, malformed.errcode) == (400, "M_INVALID_PARAM")


async def test_a_level_that_is_too_low_is_refused(alice: User, bob: User, room_id: str) -> None:
    levels = {"events": {"org.example": 50}}
    answer = await alice.set_state(room_id, "m.room.power_levels", levels)
    assert answer.status == 200

    refused = await bob.send(room_id, {}, kind="org.example")
    allowed = await alice.send(room_id, {}, kind="org.example")

    assert (refused.status, refused.errcode) == (403, "M_FORBIDDEN")
    assert allowed.status == 200


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", (400, "M_NOT_JSON")),
        (b"{", (400, "M_NOT_JSON")),
        (b"[]", (400, "M_BAD_JSON")),
        (b'"text"', (400, "M_BAD_JSON")),
        (b'{"a": 1.5}', (400, "M_BAD_JSON")),
        (b'{"a": 9007199254740992}', (400, "M_BAD_JSON")),
        (b'{"a": 1e100}', (400, "M_BAD_JSON")),
        (b'{"a": "\xff"}', (400, "M_NOT_JSON")),
        (b'{"a":' * 150 + b"1" + b"}" * 150, (400, "M_NOT_JSON")),
        (b'{"body": "' + b"a" * 65_536 + b'"}', (413, "M_TOO_LARGE")),
        (b'{"body": "' + b"a" * (2 << 20) + b'"}', (413, "M_TOO_LARGE")),
    ],
)
async def test_content_that_no_event_can_have_is_refused(
    house: House, alice: User, room_id: str, body: bytes, refusal: tuple[int, str]
) -> None:
    before = len(await house.history(room_id))

    answer = await alice.client.put(
        f"{V3}/rooms/{quote(room_id)}/send/m.room.message/t1", body=body
    )

    assert (answer.status, answer.errcode) == refusal
    assert len(await house.history(room_id)) == before
    assert (await alice.send(room_id)).status == 200


async def test_types_and_transaction_ids_have_a_length(alice: User, room_id: str) -> None:
    long_type = await alice.send(room_id, kind="t" * 256)
    long_transaction = await alice.send(room_id, transaction="t" * 256)

    assert (long_type.status, long_type.errcode) == (413, "M_TOO_LARGE")
    assert (long_transaction.status, long_transaction.errcode) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("kind", ["m.room.create", "m.room.member"])
async def test_what_only_state_can_be_is_no_message(alice: User, room_id: str, kind: str) -> None:
    answer = await alice.send(room_id, {"membership": "join"}, kind=kind)

    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


async def test_a_guest_in_the_room_sends(house: House, alice: User) -> None:
    room_id = await alice.create_room(
        preset="public_chat",
        initial_state=[{"type": "m.room.guest_access", "content": {"guest_access": "can_join"}}],
    )
    guest = await house.guest()
    assert (await guest.join(room_id)).status == 200

    assert (await guest.send(room_id)).status == 200


async def test_who_sends_too_much_has_to_wait(tmp_path: Path) -> None:
    clock = ManualClock()
    rate = Rate(per_second=1, burst=3)
    settings = msgspec.structs.replace(NO_RATES, send_rate_per_user=rate)
    async with running_house(tmp_path, Options(settings=settings, clock=clock)) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room()
        for _ in range(3):
            assert (await alice.send(room_id)).status == 200

        refused = await alice.send(room_id)
        clock.advance_ms(1000)
        later = await alice.send(room_id)

    assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")
    assert refused.json["retry_after_ms"] == 1000
    assert later.status == 200


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_event_ids_have_the_form_of_their_room_version(alice: User, version: str) -> None:
    room_id = await alice.create_room(room_version=version)

    event_id = (await alice.send(room_id)).json["event_id"]

    assert event_id.startswith("$")
    assert event_id.endswith(":xylem.test") == (version in ("1", "2"))


async def test_a_thread_starts_at_an_event_that_is_in_none(alice: User, room_id: str) -> None:
    def reply(root_id: str) -> dict[str, Any]:
        return {"body": "hm", "m.relates_to": {"rel_type": "m.thread", "event_id": root_id}}

    root_id = (await alice.send(room_id)).json["event_id"]
    in_thread = await alice.send(room_id, reply(root_id))
    nested = await alice.send(room_id, reply(in_thread.json["event_id"]))
    at_unknown = await alice.send(room_id, reply("$unknown"))
    odd = await alice.send(room_id, {"body": "hm", "m.relates_to": "odd"})

    assert in_thread.status == 200
    assert (nested.status, nested.errcode) == (400, "M_UNKNOWN")
    assert (at_unknown.status, odd.status) == (200, 200)
