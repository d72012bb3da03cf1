"""Until when a user is said to type: a message ends nothing, leaving the room does."""

from urllib.parse import quote

import pytest

from logs.log import Log
from logs.records.typing import TypingRequested
from logs.topics import INPUT_TYPING
from tests.component.clientapi.clientapi_server import House, User


async def timeouts_in(log: Log, user: User) -> list[int]:
    """Return for how long the user was said to type, 0 for the end."""
    end = (await log.bounds(INPUT_TYPING.name))[0][1]
    tail = await log.tail(INPUT_TYPING.name, {0: 0})
    found: list[TypingRequested] = []
    while len(found) < end:
        for one in await tail.read():
            record = INPUT_TYPING.decode(one.value)
            assert isinstance(record, TypingRequested)
            found.append(record)
    await tail.close()
    return [one.timeout_ms for one in found if one.user_id == user.user_id]


async def types(user: User, room_id: str, *, typing: bool = True) -> tuple[int, str | None]:
    """Say whether a user types, and return the status and error."""
    path = f"/rooms/{quote(room_id)}/typing/{user.user_id}"
    answer = await user.put(path, {"typing": typing})
    return answer.status, answer.errcode


@pytest.mark.parametrize("kind", ["m.room.message", "m.room.encrypted", "m.reaction"])
async def test_typing_goes_on_after_a_message(
    house: House, alice: User, room_id: str, kind: str
) -> None:
    await types(alice, room_id)

    await alice.send(room_id, kind=kind)

    assert await timeouts_in(house.log, alice) == [30_000]


@pytest.mark.parametrize("action", ["kick", "ban"])
async def test_one_who_is_removed_types_no_longer(
    house: House, alice: User, bob: User, room_id: str, action: str
) -> None:
    await types(alice, room_id)
    await types(bob, room_id)

    await alice.in_room(action, room_id, user_id=bob.user_id)

    assert await timeouts_in(house.log, bob) == [30_000, 0]
    assert await timeouts_in(house.log, alice) == [30_000]


async def test_one_who_leaves_types_no_longer(house: House, bob: User, room_id: str) -> None:
    await types(bob, room_id)

    await bob.set_state(room_id, "m.room.member", {"membership": "leave"}, bob.user_id)

    assert await timeouts_in(house.log, bob) == [30_000, 0]


async def test_one_whose_account_ends_types_no_longer(
    house: House, bob: User, room_id: str
) -> None:
    await types(bob, room_id)

    await house.departures.perform_leave_all(user_id=bob.user_id)

    assert await timeouts_in(house.log, bob) == [30_000, 0]


async def test_a_change_of_ones_own_profile_in_the_room_ends_no_typing(
    house: House, bob: User, room_id: str
) -> None:
    await types(bob, room_id)

    content = {"membership": "join", "displayname": "Bobby"}
    await bob.set_state(room_id, "m.room.member", content, bob.user_id)

    assert await timeouts_in(house.log, bob) == [30_000]


async def test_a_suspended_user_can_end_typing_and_not_begin_it(
    house: House, bob: User, room_id: str
) -> None:
    admin = await house.user("admin", is_admin=True)
    await types(bob, room_id)
    suspend = f"/_matrix/client/v1/admin/suspend/{bob.user_id}"
    assert (await admin.client.put(suspend, {"suspended": True})).status == 200

    begun = await types(bob, room_id)
    ended = await types(bob, room_id, typing=False)

    assert begun == (403, "M_USER_SUSPENDED")
    assert ended == (200, None)
    assert await timeouts_in(house.log, bob) == [30_000, 0]
