"""Rooms come and go in /sync as users are invited, join, leave, knock and are banned."""

import pytest

from logs.records.room_output import InviteReceived, InviteRetired
from tests.component.syncapi.answers import joined, state_of, timeline
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    House,
    Room,
    bodies,
)


async def test_a_newly_joined_room_comes_with_its_state(house: House) -> None:
    room, home = Room(), Room("home")
    await house.put(*room.created(), *home.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(*(room.message(str(number)) for number in range(12)), room.member(BOB, "join"))

    answer = await house.sync(BOB, since)

    part = joined(answer, room)
    assert list(answer["rooms"]["join"]) == [room.room_id]
    assert part["timeline"]["limited"] is True
    assert timeline(answer, room) == ["m.room.member"]
    assert state_of(part) == {
        ("m.room.create", ""),
        ("m.room.member", ALICE),
        ("m.room.join_rules", ""),
    }
    assert part["summary"]["m.joined_member_count"] == 2


async def test_the_timeline_of_a_new_room_begins_with_the_join(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.message("before"))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.member(BOB, "invite", by=ALICE), room.member(BOB, "join"), room.message("after")
    )

    part = joined(await house.sync(BOB, since), room)
    older = await house.room(
        BOB, room, "messages", dir="b", from_=part["timeline"]["prev_batch"], limit=2
    )

    assert bodies(part["timeline"]["events"]) == ["m.room.member", "after"]
    assert part["timeline"]["limited"] is True
    assert bodies(older.json["chunk"]) == ["m.room.member", "before"]


@pytest.mark.parametrize("comes_back_at_once", [True, False])
async def test_who_comes_back_is_told_nothing_twice(
    house: House, *, comes_back_at_once: bool
) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("known"))
    answer = await house.sync(BOB)
    seen = bodies(joined(answer, room)["timeline"]["events"])
    await house.put(room.member(BOB, "leave"))
    if not comes_back_at_once:
        answer = await house.sync(BOB, answer["next_batch"])
    await house.put(
        room.message("meanwhile"),
        room.member(BOB, "join"),
        room.member(BOB, "join", displayname="Bob"),
        room.message("again"),
    )

    part = joined(await house.sync(BOB, answer["next_batch"]), room)

    told = bodies(part["timeline"]["events"])
    assert "known" in seen
    if comes_back_at_once:
        # All that was not told yet: there is no gap.
        assert told == [
            "m.room.member",
            "meanwhile",
            "m.room.member",
            "m.room.member",
            "again",
        ]
    else:
        assert told == ["m.room.member", "m.room.member", "again"]
    assert part["timeline"]["limited"] is not comes_back_at_once
    assert ("m.room.create", "") in state_of(part)


async def test_others_hear_of_a_join_with_a_new_summary(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = {user: (await house.sync(user))["next_batch"] for user in (ALICE, BOB)}
    await house.put(room.member(CHARLIE, "join"))

    for user, other in ((ALICE, BOB), (BOB, ALICE)):
        part = joined(await house.sync(user, since[user]), room)
        assert part["summary"] == {
            "m.heroes": [other, CHARLIE],
            "m.joined_member_count": 3,
            "m.invited_member_count": 0,
        }


async def test_leaving_is_told_with_what_came_before_and_nothing_after(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("before"), room.member(BOB, "leave"), room.message("after"))

    answer = await house.sync(BOB, since)

    assert "join" not in answer["rooms"]
    part = answer["rooms"]["leave"][room.room_id]
    assert bodies(part["timeline"]["events"]) == ["before", "m.room.member"]
    await house.put(room.message("much later"))
    assert (await house.sync(BOB, answer["next_batch"]))["rooms"] == {}
    assert (await house.sync(BOB))["rooms"] == {}


async def test_who_is_banned_after_leaving_learns_of_the_ban_alone(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("before"))
    first = (await house.sync(BOB))["next_batch"]
    await house.put(room.member(BOB, "leave"))
    second = (await house.sync(BOB, first))["next_batch"]
    await house.put(
        room.state_event("m.room.topic", {"topic": "secret"}), room.member(BOB, "ban", by=ALICE)
    )

    part = (await house.sync(BOB, second))["rooms"]["leave"][room.room_id]
    assert bodies(part["timeline"]["events"]) == ["m.room.member"]
    assert part["state"]["events"] == []
    part = (await house.sync(BOB, first))["rooms"]["leave"][room.room_id]
    assert bodies(part["timeline"]["events"]) == ["m.room.member", "m.room.member"]
    assert part["state"]["events"] == []
    for limit in (0, 1, 10):
        query = {"room": {"include_leave": True, "timeline": {"limit": limit}}}
        part = (await house.sync(BOB, filter=query))["rooms"]["leave"][room.room_id]
        assert ("m.room.topic", "") not in state_of(part)


async def test_who_joined_and_left_at_once_hears_of_it(house: House) -> None:
    room = Room()
    await house.put(*room.created())
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.message("before"),
        room.member(BOB, "join"),
        room.message("hello"),
        room.member(BOB, "leave"),
    )

    part = (await house.sync(BOB, since))["rooms"]["leave"][room.room_id]

    assert bodies(part["timeline"]["events"]) == ["m.room.member", "hello", "m.room.member"]
    assert part["timeline"]["limited"] is True
    assert ("m.room.create", "") in state_of(part)


async def test_invites_from_afar_and_events_may_come_in_any_order(house: House) -> None:
    afar, one, two = Room("afar"), Room("one"), Room("two")
    await house.put(*one.created(BOB), *two.created(BOB))
    first = (await house.sync(BOB))["next_batch"]
    invite = afar.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    await house.put(one.message("1"))
    second = (await house.sync(BOB, first))["next_batch"]
    await house.put(
        InviteReceived(afar.room_id, invite.event_id, "11", invite.raw, BOB, []),
        two.message("2"),
        one.message("3"),
    )

    answer = await house.sync(BOB, second)
    assert timeline(answer, one) == ["3"]
    assert timeline(answer, two) == ["2"]
    assert list(answer["rooms"]["invite"]) == [afar.room_id]
    assert timeline(await house.sync(BOB, first), one) == ["1", "3"]


async def test_an_accepted_invite_from_afar_becomes_a_joined_room(house: House) -> None:
    room = Room("afar")
    state = tuple(
        room.build(kind, content, state_key=key)
        for kind, content, key in (
            ("m.room.create", {"room_version": "11"}, ""),
            ("m.room.member", {"membership": "join"}, ALICE),
        )
    )
    invite = room.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    await house.put(InviteReceived(room.room_id, invite.event_id, "11", invite.raw, BOB, []))
    since = (await house.sync(BOB))["next_batch"]
    join = room.build("m.room.member", {"membership": "join"}, sender=BOB, state_key=BOB)
    await house.put(room.added(join, state_only=state), room.message("welcome"))

    for answer in (await house.sync(BOB, since), await house.sync(BOB)):
        assert "invite" not in answer["rooms"]
        part = joined(answer, room)
        assert bodies(part["timeline"]["events"]) == ["m.room.member", "welcome"]
        assert state_of(part) == {("m.room.create", ""), ("m.room.member", ALICE)}
        assert part["summary"]["m.heroes"] == [ALICE]


async def test_a_left_room_is_in_an_initial_sync_if_asked_for(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        room.message("before"),
        room.member(BOB, "leave", by=ALICE),
        room.state_event("m.room.topic", {"topic": "secret"}),
    )

    answer = await house.sync(
        BOB, filter={"room": {"include_leave": True, "timeline": {"limit": 1}}}
    )

    part = answer["rooms"]["leave"][room.room_id]
    assert bodies(part["timeline"]["events"]) == ["m.room.member"]
    assert ("m.room.topic", "") not in state_of(part)
    assert ("m.room.create", "") in state_of(part)


async def test_who_left_and_came_back_gets_the_room_anew(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, visibility="joined"))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.member(BOB, "leave"),
        room.message("hidden"),
        room.state_event("m.room.topic", {"topic": "new"}),
        room.member(BOB, "join"),
        room.message("welcome back"),
    )

    answer = await house.sync(BOB, since)

    part = joined(answer, room)
    assert "leave" not in answer["rooms"]
    assert bodies(part["timeline"]["events"])[-3:] == [
        "m.room.member",
        "m.room.member",
        "welcome back",
    ]
    assert "hidden" not in bodies(part["timeline"]["events"])


async def test_who_comes_back_to_a_hidden_past_learns_who_has_come_meanwhile(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, visibility="joined"))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.member(BOB, "leave"),
        *(room.message(f"hidden {number}") for number in range(30)),
        room.member(CHARLIE, "join"),
        room.member(BOB, "join"),
    )

    part = joined(await house.sync(BOB, since), room)

    told = [*part["state"]["events"], *part["timeline"]["events"]]
    assert [
        event["content"]["membership"] for event in told if event.get("state_key") == CHARLIE
    ] == ["join"]
    assert not [body for body in bodies(part["timeline"]["events"]) if "hidden" in body]


async def test_an_invite_into_a_room_of_this_server_shows_its_stripped_state(
    house: House,
) -> None:
    room = Room()
    await house.put(*room.created(), room.state_event("m.room.name", {"name": "Tea"}))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("hidden"), room.member(BOB, "invite", by=ALICE))

    for answer in (await house.sync(BOB, since), await house.sync(BOB)):
        assert "join" not in answer["rooms"]
        events = answer["rooms"]["invite"][room.room_id]["invite_state"]["events"]
        assert {event["type"] for event in events} == {
            "m.room.create",
            "m.room.join_rules",
            "m.room.member",
            "m.room.name",
        }
        members = [event["state_key"] for event in events if event["type"] == "m.room.member"]
        assert members == [ALICE, BOB]
        assert all(event.keys() == {"content", "sender", "state_key", "type"} for event in events)
    assert (await house.sync(BOB, answer["next_batch"]))["rooms"] == {}


async def test_an_invite_from_afar_shows_what_it_brought_until_it_is_retired(house: House) -> None:
    room = Room("afar")
    name = room.build("m.room.name", {"name": "Far"}, state_key="")
    invite = room.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        InviteReceived(room.room_id, invite.event_id, "11", invite.raw, BOB, [name.raw])
    )

    answer = await house.sync(BOB, since)
    events = answer["rooms"]["invite"][room.room_id]["invite_state"]["events"]
    assert [event["type"] for event in events] == ["m.room.name", "m.room.member"]

    await house.put(InviteRetired(room.room_id, invite.event_id, BOB, "leave"))
    after = await house.sync(BOB, answer["next_batch"])
    assert list(after["rooms"]) == ["leave"]
    assert (await house.sync(BOB))["rooms"] == {}


async def test_the_end_of_an_older_invite_leaves_a_newer_one_as_it_is(house: House) -> None:
    room = Room("afar")
    older = room.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    newer = room.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    for invite in (older, newer):
        await house.put(InviteReceived(room.room_id, invite.event_id, "11", invite.raw, BOB, []))

    await house.put(InviteRetired(room.room_id, older.event_id, BOB, "leave"))
    assert list((await house.sync(BOB))["rooms"]["invite"]) == [room.room_id]

    await house.put(InviteRetired(room.room_id, newer.event_id, BOB, "leave"))
    assert (await house.sync(BOB))["rooms"] == {}


async def test_a_rejected_invite_ends_in_the_leave_section(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.message("hidden"), room.member(BOB, "invite", by=ALICE))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.member(BOB, "leave"))

    part = (await house.sync(BOB, since))["rooms"]["leave"][room.room_id]

    assert bodies(part["timeline"]["events"]) == ["m.room.member"]
    assert part["state"]["events"] == []


async def test_a_knock_has_a_section_of_its_own(house: House) -> None:
    room = Room()
    await house.put(*room.created())
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.member(BOB, "knock"))

    part = (await house.sync(BOB, since))["rooms"]["knock"][room.room_id]

    assert "m.room.create" in {event["type"] for event in part["knock_state"]["events"]}
