"""A message ends the typing of its sender."""

from pathlib import Path
from urllib.parse import quote

import pytest

from base.clock import ManualClock
from logs.log import Log
from logs.records.typing import TypingRequested
from logs.topics import INPUT_TYPING
from tests.component.clientapi.clientapi_server import House, Options, User, running_house


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


async def types(user: User, room_id: str, **body: object) -> None:
    """Say that a user types."""
    path = f"/rooms/{quote(room_id)}/typing/{user.user_id}"
    answer = await user.put(path, {"typing": True, **body})
    assert answer.status == 200, answer


@pytest.mark.parametrize("kind", ["m.room.message", "m.room.encrypted"])
async def test_a_message_ends_the_typing_of_its_sender(
    house: House, alice: User, bob: User, room_id: str, kind: str
) -> None:
    await types(alice, room_id)
    await types(bob, room_id)

    await alice.send(room_id, kind=kind)
    await alice.send(room_id, kind=kind)

    assert await timeouts_in(house.log, alice) == [30_000, 0]
    assert await timeouts_in(house.log, bob) == [30_000]


async def test_typing_goes_on_after_a_reaction_a_refusal_and_in_other_rooms(
    house: House, alice: User, room_id: str
) -> None:
    await types(alice, room_id)

    await alice.send(room_id, {}, kind="m.reaction")
    refused = await alice.send(room_id, {"body": "x" * 70_000})
    await alice.send(await alice.create_room())

    assert refused.status == 413
    assert await timeouts_in(house.log, alice) == [30_000]


async def test_nothing_is_written_for_one_who_does_not_type(
    house: House, alice: User, room_id: str
) -> None:
    await alice.send(room_id)
    await types(alice, room_id)
    await types(alice, room_id, typing=False)
    await alice.send(room_id)

    assert await timeouts_in(house.log, alice) == [30_000, 0]


async def test_a_repeated_request_ends_no_typing_that_began_since(
    house: House, alice: User, room_id: str
) -> None:
    first = await alice.send(room_id, transaction="same")
    await types(alice, room_id)

    second = await alice.send(room_id, transaction="same")

    assert second.json == first.json
    assert await timeouts_in(house.log, alice) == [30_000]


async def test_nothing_is_written_for_one_whose_typing_is_over(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_house(tmp_path, Options(clock=clock)) as house:
        alice = await house.user("alice")
        room_id = await alice.create_room()
        await types(alice, room_id, timeout=5_000)
        clock.advance_ms(5_001)

        await alice.send(room_id)

        assert await timeouts_in(house.log, alice) == [5_000]
