"""Filters of /sync that change what an event looks like, or leave most of them out."""

from typing import Any

from matrix.events import load_event
from matrix.identifiers import EventID
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, VERSION, House, Room


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
