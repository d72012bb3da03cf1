"""Rooms that users have forgotten are as if they had never been there, until they come back."""

import pytest

from logs.records.room_output import RoomForgotten
from matrix.identifiers import UserID
from tests.component.syncapi.story import ALICE, BOB, House, Room, bodies

WITH_LEFT = {"room": {"include_leave": True}}


def forgotten(room: Room, user_id: UserID) -> RoomForgotten:
    """Return the record by which a user forgets a room."""
    return RoomForgotten(room.room_id, user_id, "forget:1")


async def left_rooms(house: House, user: str) -> list[str]:
    """Return the rooms in the leave section of an initial sync."""
    answer = await house.sync(user, filter=WITH_LEFT)
    return list(answer.get("rooms", {}).get("leave", {}))


async def test_a_forgotten_room_is_no_longer_told_of(house: House) -> None:
    room, other = Room(), Room("other")
    await house.put(*room.created(BOB), room.member(BOB, "leave"))
    await house.put(*other.created(BOB), other.member(BOB, "ban", by=ALICE))
    before = await left_rooms(house, BOB)

    await house.put(forgotten(room, BOB))

    assert sorted(before) == sorted([room.room_id, other.room_id])
    assert await left_rooms(house, BOB) == [other.room_id]


async def test_a_forgotten_room_cannot_be_read(house: House) -> None:
    room = Room()
    message = room.message("hello")
    await house.put(*room.created(BOB), message, room.member(BOB, "leave"))
    paths = [
        ("messages", {"dir": "b"}, 403),
        ("state", {}, 403),
        ("state/m.room.create/", {}, 403),
        ("members", {}, 403),
        (f"context/{message.event_id}", {}, 403),
        (f"event/{message.event_id}", {}, 404),
    ]
    for path, query, _ in paths:
        assert (await house.room(BOB, room, path, **query)).status in {200, 404}, path
    await house.put(forgotten(room, BOB), room.member(BOB, "ban", by=ALICE))

    for path, query, status in paths:
        assert (await house.room(BOB, room, path, **query)).status == status, path


async def test_where_anybody_reads_who_forgot_reads_like_anybody(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("for members"))
    await house.put(room.member(BOB, "leave"), forgotten(room, BOB), room.hides("world_readable"))
    await house.put(room.message("for all"))

    page = (await house.room(BOB, room, "messages", dir="b")).json["chunk"]

    assert bodies(page)[:2] == ["for all", "m.room.history_visibility"]
    assert "for members" not in bodies(page)


@pytest.mark.parametrize("comes_back", [("join",), ("invite",), ("knock", "invite", "join")])
async def test_who_comes_back_has_the_room_again(house: House, comes_back: tuple[str, ...]) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("hello"))
    await house.put(room.member(BOB, "leave"), forgotten(room, BOB))
    await house.put(*(room.member(BOB, one, by=ALICE) for one in comes_back))
    await house.put(room.member(BOB, "leave"))

    assert await left_rooms(house, BOB) == [room.room_id]
    page = await house.room(BOB, room, "messages", dir="b")
    assert "hello" in bodies(page.json["chunk"])


async def test_a_room_is_forgotten_once_more(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.member(BOB, "leave"), forgotten(room, BOB))
    await house.put(room.member(BOB, "join"), room.member(BOB, "leave"), forgotten(room, BOB))

    assert await left_rooms(house, BOB) == []


async def test_a_device_that_was_away_hears_that_its_user_left(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    await house.put(room.member(BOB, "leave"), forgotten(room, BOB))

    answer = await house.sync(BOB, since)
    assert list(answer["rooms"]["leave"]) == [room.room_id]
    later = await house.sync(BOB, answer["next_batch"])
    assert not later.get("rooms", {}).get("leave")


async def test_others_do_not_forget_with_one(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.member(ALICE, "leave"), room.member(BOB, "leave"))
    await house.put(forgotten(room, BOB))

    assert await left_rooms(house, ALICE) == [room.room_id]
