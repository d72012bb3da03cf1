"""Users who leave all their rooms at once."""

import asyncio
from pathlib import Path

import pytest

from matrix.errors import InvalidParam, Unavailable
from matrix.identifiers import UserID
from tests.component.clientapi.clientapi_server import (
    House,
    Options,
    User,
    room_with_rule,
    running_house,
    with_settings,
)


async def leave_all(house: House, user: User) -> None:
    await house.departures.perform_leave_all(user_id=user.user_id)


async def test_a_user_leaves_rooms_rejects_invites_and_retracts_knocks(
    house: House, alice: User, bob: User
) -> None:
    joined = [await alice.create_room(preset="public_chat") for _ in range(12)]
    for room_id in joined:
        assert (await bob.join(room_id)).status == 200
    invited = await alice.create_room(invite=[bob.user_id])
    knocked = await room_with_rule(alice, "12", {"join_rule": "knock"})
    assert (await bob.post(f"/knock/{knocked}")).status == 200

    await leave_all(house, bob)

    for room_id in (*joined, invited, knocked):
        content = await house.content(room_id, "m.room.member", bob.user_id)
        assert content == {"membership": "leave"}
        assert await house.membership(room_id, alice) == "join"


async def test_departures_are_repeated_without_another_event(
    house: House, alice: User, bob: User, room_id: str
) -> None:
    await alice.in_room("ban", await alice.create_room(), user_id=bob.user_id)

    await asyncio.gather(leave_all(house, bob), leave_all(house, bob))
    after = await house.history(room_id)
    await leave_all(house, bob)

    members = [one for one in after if one.state_key == bob.user_id]
    assert [one.membership for one in members] == ["join", "leave"]
    assert len(await house.history(room_id)) == len(after)


async def test_a_banned_user_stays_banned(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room()
    await alice.in_room("ban", room_id, user_id=bob.user_id)

    await leave_all(house, bob)

    assert await house.membership(room_id, bob) == "ban"


async def test_nobody_of_another_server_departs(house: House) -> None:
    with pytest.raises(InvalidParam):
        await house.departures.perform_leave_all(user_id=UserID("@eve:elsewhere.test"))


async def test_without_the_log_departures_are_to_be_repeated(
    house: House, bob: User, room_id: str
) -> None:
    await house.log.close()

    with pytest.raises(Unavailable):
        await leave_all(house, bob)

    assert await house.membership(room_id, bob) == "join"


async def test_departures_are_done_later_where_the_room_server_is_silent(tmp_path: Path) -> None:
    async with running_house(tmp_path) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room()
    settings = with_settings(outcome_timeout_s=0.05).settings
    async with running_house(tmp_path, Options(settings=settings, rooms_run=False)) as house:
        with pytest.raises(Unavailable):
            await leave_all(house, alice)
    async with running_house(tmp_path) as house:
        await leave_all(house, alice)
        assert await house.membership(room_id, alice) == "leave"
