"""The summary of one room, for members, for others and for nobody; and events by their time."""

from pathlib import Path
from typing import Any

import pytest

from base.http.testing import Answer
from base.limits import Rate
from components.syncapi.settings import SyncApiSettings
from logs.records.room_output import EventAdded
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house


async def summary(house: House, user: str, room_id_or_alias: str) -> Answer:
    """Ask for the summary of a room."""
    path = f"room_summary/{room_id_or_alias.replace('#', '%23')}"
    return await house.get(user, path, version="v1")


async def test_a_summary_tells_a_member_everything(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        room.state_event("m.room.name", {"name": "Cheese"}),
        room.state_event("m.room.canonical_alias", {"alias": "#cheese:xylem.test"}),
        room.state_event("m.room.avatar", {"url": "mxc://xylem.test/brie"}),
        room.state_event("m.room.topic", {"topic": "All about it"}),
        room.state_event(
            "m.room.join_rules",
            {
                "join_rule": "restricted",
                "allow": [
                    {"type": "m.room_membership", "room_id": "!gate:xylem.test"},
                    {"type": "m.room_membership"},
                    "nothing",
                ],
            },
        ),
    )

    answer = await summary(house, BOB, room.room_id)

    assert answer.json == {
        "room_id": room.room_id,
        "num_joined_members": 2,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "restricted",
        "room_version": "11",
        "name": "Cheese",
        "topic": "All about it",
        "canonical_alias": "#cheese:xylem.test",
        "avatar_url": "mxc://xylem.test/brie",
        "allowed_room_ids": ["!gate:xylem.test"],
        "membership": "join",
    }


@pytest.mark.parametrize("path", ["summary/{}", "rooms/{}/summary"])
async def test_the_former_name_of_a_summary_has_the_former_fields_too(
    house: House, path: str
) -> None:
    room = Room()
    algorithm = "m.megolm.v1.aes-sha2"
    await house.put(
        *room.created(BOB), room.state_event("m.room.encryption", {"algorithm": algorithm})
    )

    former = await house.get(
        BOB, f"im.nheko.summary/{path.format(room.room_id)}", version="unstable"
    )

    assert former.json == {
        **(await summary(house, BOB, room.room_id)).json,
        "im.nheko.summary.encryption": algorithm,
        "im.nheko.summary.room_version": "11",
    }


async def test_a_room_is_found_by_its_alias(house: House) -> None:
    room = Room()
    house.accounts.aliases["#cheese:xylem.test"] = room.room_id
    await house.put(*room.created())

    answer = await summary(house, CHARLIE, "#cheese:xylem.test")

    assert (answer.json["room_id"], answer.json["membership"]) == (room.room_id, "leave")
    assert (await summary(house, CHARLIE, "#bread:xylem.test")).errcode == "M_NOT_FOUND"
    assert (await summary(house, CHARLIE, "cheese")).errcode == "M_INVALID_PARAM"


async def test_rooms_that_show_themselves_are_shown_without_a_token(house: House) -> None:
    for name, rule, visibility, status in (
        ("public", "public", "shared", 200),
        ("knock", "knock", "shared", 200),
        ("readable", "invite", "world_readable", 200),
        ("private", "invite", "shared", 404),
        ("restricted", "restricted", "shared", 404),
    ):
        room = Room(name)
        await house.put(
            *room.created(visibility=visibility),
            room.state_event("m.room.join_rules", {"join_rule": rule}),
        )

        answer = await summary(house, "", room.room_id)

        assert answer.status == status, name
        assert "membership" not in answer.json


async def test_a_room_that_may_not_be_seen_is_as_unknown_as_one_that_is_not(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.state_event("m.room.join_rules", {"join_rule": "invite"}))

    hidden = await summary(house, BOB, room.room_id)
    unknown = await summary(house, BOB, "!unknown:xylem.test")

    assert (hidden.status, hidden.json) == (unknown.status, unknown.json)
    assert (hidden.status, hidden.errcode) == (404, "M_NOT_FOUND")
    assert (await summary(house, "nobody", room.room_id)).errcode == "M_UNKNOWN_TOKEN"


async def test_who_sends_no_token_is_limited_by_address(tmp_path: Path, database_url: str) -> None:
    settings = SyncApiSettings(summary_rate_per_address=Rate(per_second=1, burst=2))
    async with running_house(tmp_path, database_url, settings) as house:
        room = Room()
        await house.put(*room.created())

        statuses = [(await summary(house, "", room.room_id)).status for _ in range(3)]

        assert statuses == [200, 200, 429]
        assert (await summary(house, BOB, room.room_id)).status == 200


async def at(house: House, user: str, room: Room, **query: Any) -> Answer:
    """Ask for the event that is closest to a moment."""
    path = f"rooms/{room.room_id}/timestamp_to_event"
    return await house.get(user, path, version="v1", **query)


async def time_of(house: House, room: Room, record: EventAdded) -> int:
    """Return when an event was sent."""
    answer = await house.room(ALICE, room, f"event/{record.event_id}")
    return int(answer.json["origin_server_ts"])


@pytest.mark.parametrize(("direction", "found"), [("f", 1), ("b", 0)])
async def test_the_closest_event_in_a_direction_is_found(
    house: House, direction: str, found: int
) -> None:
    room = Room()
    await house.put(*room.created())
    first = room.message("first")
    room._now += 1000
    second = room.message("second")
    await house.put(first, second)
    records = [first, second]
    moment = await time_of(house, room, first) + 500

    between = await at(house, ALICE, room, ts=moment, dir=direction)
    exact = await at(house, ALICE, room, ts=moment - 500, dir=direction)

    assert between.json == {
        "event_id": records[found].event_id,
        "origin_server_ts": await time_of(house, room, records[found]),
    }
    assert exact.json["event_id"] == first.event_id


async def test_of_events_at_the_same_time_the_one_on_the_side_of_the_question_is_found(
    house: House,
) -> None:
    room = Room()
    await house.put(*room.created())
    room.rewind(-1000)
    first = room.message("first")
    room.rewind(1)
    second = room.message("second")
    await house.put(first, second, room.message("later"))
    moment = await time_of(house, room, first)
    assert await time_of(house, room, second) == moment

    forwards = await at(house, ALICE, room, ts=moment, dir="f")
    backwards = await at(house, ALICE, room, ts=moment, dir="b")

    assert forwards.json["event_id"] == first.event_id
    assert backwards.json["event_id"] == second.event_id


async def test_beyond_the_ends_of_the_room_there_is_no_event(house: House) -> None:
    room = Room()
    await house.put(*room.created())

    for query in ({"ts": 0, "dir": "b"}, {"ts": 2**52, "dir": "f"}):
        answer = await at(house, ALICE, room, **query)
        assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")
    assert (await at(house, ALICE, room, ts=0, dir="f")).status == 200


async def test_events_that_the_user_may_not_see_are_passed_over(house: House) -> None:
    room = Room()
    await house.put(*room.created(visibility="joined"))
    hidden = [room.message(f"{number}") for number in range(120)]
    joined = room.member(BOB, "join")
    seen = room.message("seen")
    left = room.member(BOB, "leave")
    await house.put(*hidden, joined, seen, left)
    await house.put(room.message("after"))
    start = await time_of(house, room, hidden[0])

    forwards = await at(house, BOB, room, ts=start, dir="f")
    backwards = await at(house, BOB, room, ts=2**52, dir="b")

    assert forwards.json["event_id"] == joined.event_id
    assert backwards.json["event_id"] == left.event_id
    answer = await at(house, CHARLIE, room, ts=start, dir="f")
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


async def test_a_moment_and_a_direction_have_to_be_given(house: House) -> None:
    room = Room()
    await house.put(*room.created())

    for query, errcode in (
        ({"ts": 1}, "M_MISSING_PARAM"),
        ({"dir": "f"}, "M_MISSING_PARAM"),
        ({"ts": "soon", "dir": "f"}, "M_INVALID_PARAM"),
        ({"ts": 1, "dir": "x"}, "M_INVALID_PARAM"),
    ):
        answer = await at(house, ALICE, room, **query)
        assert (answer.status, answer.errcode) == (400, errcode)
