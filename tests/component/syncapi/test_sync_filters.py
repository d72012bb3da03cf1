"""Filters of /sync that change what an event looks like, or leave most of them out."""

from typing import Any

import pytest

from matrix.events import load_event
from matrix.identifiers import EventID
from tests.component.syncapi.answers import joined, state_of
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, VERSION, House, Room, bodies


def known(house: House, *records: Any) -> None:
    """Let the room server know these events."""
    for record in records:
        event_id = EventID(record.event_id)
        house.accounts.events[event_id] = load_event(record.pdu, VERSION, event_id)


async def test_the_federation_format_is_the_event_as_servers_know_it(house: House) -> None:
    room = Room()
    created, said = room.created(BOB), room.message("whole")
    await house.put(*created, said)
    known(house, *created, said)

    answer = await house.get(
        BOB,
        "sync",
        filter={"event_format": "federation", "room": {"timeline": {"limit": 1}}},
    )

    part = answer.json["rooms"]["join"][room.room_id]
    event = part["timeline"]["events"][0]
    assert event.keys() >= {"auth_events", "prev_events", "hashes", "signatures", "depth"}
    assert event["unsigned"]["membership"] == "join"
    assert event["event_id"] == said.event_id
    assert all("hashes" in one and "state_key" in one for one in part["state"]["events"])


async def test_whole_events_of_many_rooms_are_each_in_their_room(house: House) -> None:
    rooms = [Room(f"room{number}") for number in range(7)]
    for room in rooms:
        records = [*room.created(BOB), *(room.message(f"{one}") for one in range(90))]
        await house.put(*records)
        known(house, *records)

    answer = await house.get(
        BOB,
        "sync",
        filter={"event_format": "federation", "room": {"timeline": {"limit": 90}}},
    )

    assert set(answer.json["rooms"]["join"]) == {room.room_id for room in rooms}
    for room in rooms:
        events = answer.json["rooms"]["join"][room.room_id]["timeline"]["events"]
        assert [event["content"]["body"] for event in events] == [str(one) for one in range(90)]
        assert {event["room_id"] for event in events} == {room.room_id}
        assert all("hashes" in event for event in events)


async def test_the_fields_of_whole_events_can_be_chosen(house: House) -> None:
    room = Room()
    said = room.message("whole")
    await house.put(*room.created(BOB), said)
    known(house, said)

    answer = await house.get(
        BOB,
        "sync",
        filter={
            "event_format": "federation",
            "event_fields": ["content.body", "depth"],
            "room": {"timeline": {"types": ["m.room.message"]}, "state": {"types": []}},
        },
    )

    events = answer.json["rooms"]["join"][room.room_id]["timeline"]["events"]
    assert events == [{"content": {"body": "whole"}, "depth": 1}]


async def test_a_timeline_of_no_events_tells_of_state_alone(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    no_events = {"room": {"timeline": {"limit": 0}}}
    since = (await house.sync(BOB, filter=no_events))["next_batch"]
    await house.put(room.message("unheard"))
    assert (await house.sync(BOB, since, filter=no_events))["rooms"] == {}

    await house.put(room.state_event("m.room.topic", {"topic": "heard"}))
    part = (await house.sync(BOB, since, filter=no_events))["rooms"]["join"][room.room_id]
    assert part["timeline"]["events"] == []
    assert [event["content"] for event in part["state"]["events"]] == [{"topic": "heard"}]


async def test_the_members_after_whom_a_room_is_named_come_with_its_summary(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("only bob speaks", sender=BOB))
    lazy = {"room": {"timeline": {"limit": 1}, "state": {"lazy_load_members": True}}}
    first = await house.sync(BOB, filter=lazy)
    await house.put(room.member(CHARLIE, "join"), room.message("again", sender=BOB))

    part = (await house.sync(BOB, first["next_batch"], filter=lazy))["rooms"]["join"][room.room_id]

    assert part["summary"]["m.heroes"] == [ALICE, CHARLIE]
    first_state = first["rooms"]["join"][room.room_id]["state"]["events"]
    told = {event["state_key"] for event in [*first_state, *part["state"]["events"]]}
    assert {ALICE, CHARLIE} <= told


async def test_what_state_replaced_before_ones_time_is_not_shown(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(visibility="joined"),
        room.state_event("m.room.topic", {"topic": "secret"}),
        room.state_event("m.room.topic", {"topic": "known"}),
        room.member(BOB, "join"),
    )

    tiny = {"room": {"timeline": {"limit": 1}}}
    answer = (await house.sync(BOB, filter=tiny))["rooms"]["join"][room.room_id]
    state = (await house.room(BOB, room, "state")).json

    for events in (answer["state"]["events"], state):
        assert "secret" not in str(events)
        assert "known" in str(events)


async def test_account_data_of_left_rooms_is_filtered_too(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.member(BOB, "leave"))
    for kind in ("m.tag", "org.example"):
        await house.put_account_data(BOB, kind, {}, room.room_id)
    chosen = {"room": {"include_leave": True, "account_data": {"types": ["m.tag"]}}}

    part = (await house.sync(BOB, filter=chosen))["rooms"]["leave"][room.room_id]

    assert [datum["type"] for datum in part["account_data"]["events"]] == ["m.tag"]


async def test_a_timeline_with_all_that_matches_is_not_limited(house: House) -> None:
    room = Room()
    fillers = [room.added(room.build("org.example.filler", {"n": number})) for number in range(12)]
    await house.put(*room.created(BOB), room.message("one"), *fillers)
    newest = {"room": {"timeline": {"limit": 1, "types": ["m.room.message"]}}}

    alone = joined(await house.sync(BOB, filter=newest), room)["timeline"]
    await house.put(room.message("two"))
    of_two = joined(await house.sync(BOB, filter=newest), room)["timeline"]

    assert (bodies(alone["events"]), alone["limited"]) == (["one"], False)
    assert (bodies(of_two["events"]), of_two["limited"]) == (["two"], True)


async def test_state_that_changed_in_a_filtered_gap_is_told_once(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        *(room.state_event("org.example.state", {"n": 1}, state_key=key) for key in "ab"),
    )
    gapped = {
        "room": {
            "timeline": {"types": ["org.example.filler"], "limit": 1},
            "state": {"types": ["org.example.state"]},
        }
    }
    begun = await house.sync(BOB, filter=gapped)
    fillers = [room.added(room.build("org.example.filler", {"n": number})) for number in range(20)]
    await house.put(room.state_event("org.example.state", {"n": 2}, state_key="a"), *fillers)

    part = joined(await house.sync(BOB, begun["next_batch"], filter=gapped), room)

    assert state_of(joined(begun, room)) == {
        ("org.example.state", "a"),
        ("org.example.state", "b"),
    }
    assert [event["content"] for event in part["state"]["events"]] == [{"n": 2}]
    assert part["timeline"]["limited"]
    assert len(part["timeline"]["events"]) == 1


async def test_a_change_that_the_filter_leaves_out_brings_no_other_state(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.state_event("org.example.state", {}))
    chosen = {"room": {"timeline": {"types": []}, "state": {"types": ["org.example.state"]}}}
    since = (await house.sync(BOB, filter=chosen))["next_batch"]
    await house.put(room.member(BOB, "join", displayname="Bob"), room.message("hello"))

    assert (await house.sync(BOB, since, filter=chosen))["rooms"] == {}


@pytest.mark.parametrize(("messages", "shown"), [("", []), ("abc", ["c"])])
async def test_who_joins_gets_the_chosen_state_of_the_room(
    house: House, messages: str, shown: list[str]
) -> None:
    room = Room()
    await house.put(*room.created(), room.state_event("org.example.state", {}))
    chosen = {
        "room": {
            "timeline": {"types": ["m.room.message"], "limit": 1},
            "state": {"types": ["org.example.state"]},
        }
    }
    since = (await house.sync(BOB, filter=chosen))["next_batch"]
    await house.put(room.member(BOB, "join"), *map(room.message, messages))

    part = joined(await house.sync(BOB, since, filter=chosen), room)

    assert state_of(part) == {("org.example.state", "")}
    assert bodies(part["timeline"]["events"]) == shown


async def test_who_left_at_once_gets_the_chosen_state_in_the_leave_section(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.state_event("org.example.state", {"is": "seen"}))
    chosen = {"room": {"timeline": {"types": []}, "state": {"types": ["org.example.state"]}}}
    since = (await house.sync(BOB, filter=chosen))["next_batch"]
    await house.put(room.member(BOB, "join"), room.member(BOB, "leave"))
    await house.put(room.state_event("org.example.state", {"is": "hidden"}))

    part = (await house.sync(BOB, since, filter=chosen))["rooms"]["leave"][room.room_id]

    assert [event["content"] for event in part["state"]["events"]] == [{"is": "seen"}]


async def test_a_left_room_is_as_it_was_when_one_left_whatever_is_chosen(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    chosen = {
        "room": {
            "timeline": {"types": ["m.room.message", "org.example.state"]},
            "state": {"types": ["org.example.state"]},
            "include_leave": True,
        }
    }
    since = (await house.sync(BOB, filter=chosen))["next_batch"]
    await house.put(
        room.message("before"),
        room.state_event("org.example.state", {"is": "seen"}),
        room.member(BOB, "leave"),
        room.message("after"),
        room.state_event("org.example.state", {"is": "hidden"}),
    )

    for start in (None, since):
        part = (await house.sync(BOB, start, filter=chosen))["rooms"]["leave"][room.room_id]
        assert part["state"]["events"] == []
        assert [event["content"] for event in part["timeline"]["events"]] == [
            {"msgtype": "m.text", "body": "before"},
            {"is": "seen"},
        ]


async def test_a_gap_hides_nobody_who_types(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    ephemeral: dict[str, Any] = {"room": {"timeline": {"types": []}, "state": {"types": []}}}
    since = (await house.sync(BOB, filter=ephemeral))["next_batch"]
    await house.let_type(room.room_id, ALICE)
    await house.put(*(room.message(str(number)) for number in range(20)))

    part = joined(await house.sync(BOB, since, filter=ephemeral), room)

    assert part["ephemeral"]["events"] == [{"type": "m.typing", "content": {"user_ids": [ALICE]}}]
