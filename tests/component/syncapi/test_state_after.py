"""State at the end of the timeline, for clients that ask for it (`use_state_after`, v1.16)."""

from typing import Any

import pytest

from tests.component.syncapi.answers import joined, state_of, timeline
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, bodies

NAME = "state_after"
FORMER_NAME = "org.matrix.msc4222.state_after"
ASKED = {
    "state": dict[str, Any](),
    NAME: {"use_state_after": True},
    FORMER_NAME: {"org.matrix.msc4222.use_state_after": True},
}
"""By the name of the state in the answer, how a client asks for it."""
LAZY = {"room": {"timeline": {"limit": 1}, "state": {"lazy_load_members": True}}}


async def test_state_after_is_the_state_at_the_end(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.state_event("m.room.topic", {"topic": "new"}), room.message("hello"))

    for start, expected in (
        (since, {("m.room.topic", "")}),
        (
            None,
            {
                ("m.room.create", ""),
                ("m.room.join_rules", ""),
                ("m.room.topic", ""),
                ("m.room.member", ALICE),
                ("m.room.member", BOB),
            },
        ),
    ):
        part = joined(await house.sync(BOB, start, **ASKED[NAME]), room)
        assert "state" not in part
        assert state_of(part, NAME) == expected


async def test_a_gap_and_the_timeline_after_it_make_one_state(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.state_event("m.room.topic", {"topic": "old"}))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.state_event("m.room.topic", {"topic": "in the gap"}),
        room.state_event("m.room.name", {"name": "in the gap"}),
        *map(room.message, "abc"),
        room.state_event("m.room.topic", {"topic": "in the timeline"}),
    )

    part = joined(
        await house.sync(BOB, since, filter={"room": {"timeline": {"limit": 2}}}, **ASKED[NAME]),
        room,
    )

    assert part["timeline"]["limited"]
    assert bodies(part["timeline"]["events"]) == ["c", "m.room.topic"]
    told = {event["type"]: event["content"] for event in part[NAME]["events"]}
    assert told == {
        "m.room.topic": {"topic": "in the timeline"},
        "m.room.name": {"name": "in the gap"},
    }


async def test_state_that_the_timeline_leaves_out_is_in_state_after(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.state_event("m.room.topic", {"topic": "new"}), room.message("hello"))

    messages = {"room": {"timeline": {"types": ["m.room.message"]}}}
    answer = await house.sync(BOB, since, filter=messages, **ASKED[NAME])

    assert timeline(answer, room) == ["hello"]
    assert state_of(joined(answer, room), NAME) == {("m.room.topic", "")}


async def test_who_joins_in_the_timeline_is_in_state_after_even_if_members_are_lazy(
    house: House,
) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("hello"))
    begun = await house.sync(BOB, filter=LAZY, **ASKED[NAME])
    await house.put(room.member(CHARLIE, "join"), room.message("hi", sender=CHARLIE))

    answer = await house.sync(BOB, begun["next_batch"], filter=LAZY, **ASKED[NAME])

    assert state_of(joined(begun, room), NAME) >= {("m.room.member", ALICE)}
    assert timeline(answer, room) == ["hi"]
    assert state_of(joined(answer, room), NAME) == {("m.room.member", CHARLIE)}


async def test_a_lazy_sender_is_told_as_they_are_at_the_end(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE), room.message("hello"))
    since = (await house.sync(BOB, filter=LAZY, **ASKED[NAME]))["next_batch"]
    await house.put(
        room.message("hi", sender=CHARLIE), room.member(CHARLIE, "join", displayname="Charlie")
    )

    lazy = {"room": {"timeline": {"limit": 2}, "state": {"lazy_load_members": True}}}
    part = joined(await house.sync(BOB, since, filter=lazy, **ASKED[NAME]), room)

    assert [event["content"] for event in part[NAME]["events"]] == [
        {"membership": "join", "displayname": "Charlie"}
    ]


async def test_a_room_that_is_left_has_its_state_at_the_end(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.state_event("m.room.topic", {"topic": "x"}), room.member(BOB, "leave"))
    await house.put(room.state_event("m.room.name", {"name": "later"}))

    answer = await house.sync(BOB, since, **ASKED[NAME])

    part = answer["rooms"]["leave"][room.room_id]
    assert "state" not in part
    assert state_of(part, NAME) == {("m.room.topic", ""), ("m.room.member", BOB)}


async def test_a_rejected_invite_has_state_after_too(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.member(BOB, "invite", by=ALICE))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.member(BOB, "leave"))

    part = (await house.sync(BOB, since, **ASKED[NAME]))["rooms"]["leave"][room.room_id]

    assert part.keys() & ASKED.keys() == {NAME}
    assert state_of(part, NAME) == {("m.room.member", BOB)}


async def test_a_ban_after_leaving_is_in_state_after(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    first = (await house.sync(BOB))["next_batch"]
    await house.put(room.member(BOB, "leave"))
    second = (await house.sync(BOB, first))["next_batch"]
    await house.put(
        room.state_event("m.room.topic", {"topic": "secret"}), room.member(BOB, "ban", by=ALICE)
    )

    for since in (first, second):
        part = (await house.sync(BOB, since, **ASKED[NAME]))["rooms"]["leave"][room.room_id]
        assert [event["content"] for event in part[NAME]["events"]] == [{"membership": "ban"}]
    include_leave = {"room": {"include_leave": True}}
    begun = await house.sync(BOB, filter=include_leave, **ASKED[NAME])
    told = begun["rooms"]["leave"][room.room_id][NAME]["events"]
    assert [event["content"]["membership"] for event in told if event.get("state_key") == BOB] == [
        "ban"
    ]
    assert not [event for event in told if event["type"] == "m.room.topic"]


@pytest.mark.parametrize(
    "query", [{}, {"full_state": True}, {"filter": {"event_format": "federation"}}]
)
async def test_state_has_the_name_that_it_is_asked_for_by(
    house: House, query: dict[str, Any]
) -> None:
    room, quiet = Room(), Room("quiet")
    await house.put(*room.created(BOB), *quiet.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("hello"), room.state_event("m.room.topic", {"topic": "new"}))
    await house.let_type(quiet.room_id, ALICE)

    for name, asked in ASKED.items():
        for start in (None, since):
            rooms = (await house.sync(BOB, start, **asked, **query))["rooms"]["join"]
            assert rooms.keys() == {room.room_id, quiet.room_id}
            for part in rooms.values():
                assert part.keys() & ASKED.keys() == {name}


async def test_readers_who_want_other_names_share_no_answer(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("hello"))

    for name, asked in ASKED.items():
        part = joined(await house.sync(BOB, since, **asked), room)
        assert part[name] == {"events": []}
        assert part.keys() & ASKED.keys() == {name}
