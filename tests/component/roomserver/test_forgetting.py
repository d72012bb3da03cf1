"""Users forget rooms in order with their memberships, and readers that are rebuilt learn of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logs.records.room_input import ForgetRoom
from logs.records.room_output import EventAdded, InputRejected, OutputRoomEvent, RoomForgotten
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.identifiers import UserID
from tests.component.roomserver.story import ALICE, BOB, CHARLIE, House, Room, added, running_house


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with running_house(tmp_path, database_url) as running:
        yield running


def forget(room: Room, user_id: UserID, number: int = 1) -> ForgetRoom:
    """Return the input by which a user forgets a room."""
    return ForgetRoom(room.room_id, user_id, f"forget:{number}", "request")


async def history_of(house: House, room: Room, limit: int) -> list[OutputRoomEvent]:
    """Return the whole history of a room, read in parts."""
    records: list[OutputRoomEvent] = []
    place: int | None = 0
    while place is not None:
        page = await house.history.query_room_history(
            room_id=room.room_id, after_place=place, limit=limit
        )
        records += map(OUTPUT_ROOM_EVENT.decode, page.records)
        place = page.next_place
    return records


async def test_who_has_left_forgets_the_room(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    await house.add(room.member(BOB, "leave"))

    await house.put(forget(room, BOB))

    assert await house.outputs(1) == [RoomForgotten(room.room_id, BOB, "forget:1", "request")]


async def test_who_is_in_the_room_or_never_was_does_not_forget_it(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    await house.add(room.member(CHARLIE, "invite", sender=ALICE))

    for user_id in (BOB, CHARLIE, UserID("@nobody:xylem.test")):
        await house.put(forget(room, user_id))
        [refused] = await house.outputs(1)
        assert isinstance(refused, InputRejected)
        assert (refused.event_id, refused.errcode) == ("forget:1", "M_UNKNOWN")
    await house.put(ForgetRoom("!unknown:xylem.test", BOB, "forget:2"))
    [refused] = await house.outputs(1)
    assert isinstance(refused, InputRejected)


async def test_the_order_of_inputs_decides(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    leave, back = room.member(BOB, "leave"), room.member(BOB, "join")

    await house.put(
        forget(room, BOB, 1),
        added(leave),
        forget(room, BOB, 2),
        added(back),
        forget(room, BOB, 3),
    )

    outputs = await house.outputs(5)
    assert [type(one) for one in outputs] == [
        InputRejected,
        EventAdded,
        RoomForgotten,
        EventAdded,
        InputRejected,
    ]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_history_has_what_was_forgotten_in_its_place(house: House, limit: int) -> None:
    room = Room()
    await house.add(*room.beginning())
    leave, back = room.member(BOB, "leave"), room.member(BOB, "join")
    again = room.member(BOB, "leave")
    await house.put(added(leave), forget(room, BOB, 1), added(back), added(again))
    await house.put(forget(room, BOB, 2), added(room.message("after")))
    await house.outputs(6)

    records = await history_of(house, room, limit)

    # Only the last time counts: who came back had forgotten nothing.
    assert [type(one) for one in records[-2:]] == [RoomForgotten, EventAdded]
    [forgotten] = [one for one in records if isinstance(one, RoomForgotten)]
    assert (forgotten.room_id, forgotten.user_id) == (room.room_id, BOB)
