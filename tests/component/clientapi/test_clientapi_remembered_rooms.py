"""What a client API remembers of rooms: others write into them, through other client APIs."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from internalapi.roomserver import InputPosition
from logs.log import Outgoing
from logs.records.room_input import AddEvent
from logs.topics import INPUT_ROOM_EVENT
from matrix.building import build_event
from matrix.events import Event, parse_event
from matrix.identifiers import RoomID, UserID
from matrix.room_versions import room_version
from matrix.state_keys import CREATE, POWER_LEVELS, member_key
from tests.component.clientapi.clientapi_server import (
    KEY,
    SERVER_NAME,
    V3,
    House,
    Options,
    User,
    running_house,
)

_numbers = itertools.count()


@pytest.fixture(name="house")
async def fixture_house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path, Options(replicas=2)) as house:
        yield house


async def say(user: User, room_id: str, *, replica: int = 0) -> tuple[int, str]:
    """Send a message through a replica; return the status and the event ID, if there is one."""
    path = f"{V3}/rooms/{quote(room_id)}/send/m.room.message/r{next(_numbers)}"
    answer = await user.replicas[replica].put(path, {"msgtype": "m.text", "body": "hello"})
    return answer.status, answer.json.get("event_id", "")


async def test_messages_after_each_other_make_one_line(
    house: House, alice: User, room_id: str
) -> None:
    said = [await say(alice, room_id) for _ in range(20)]

    events = await house.history(room_id)
    assert [event.event_id for event in events[-20:]] == [event_id for _, event_id in said]
    assert [event.depth for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("version", ["2", "12"])
async def test_messages_through_both_in_turn_all_stand_and_come_together(
    house: House, alice: User, version: str
) -> None:
    room_id = await alice.create_room(room_version=version)

    said = [await say(alice, room_id, replica=number % 2) for number in range(40)]
    await alice.set_state(room_id, "m.room.name", {"name": "The end"})

    assert {status for status, _ in said} == {200}
    events = await house.history(room_id)
    assert {event_id for _, event_id in said} <= {event.event_id for event in events}
    assert events[-1].type == "m.room.name"
    assert events[-1].depth > events[-2].depth


@pytest.mark.parametrize(("version", "greatest"), [("2", 2**63 - 1), ("11", 2**53 - 1)])
async def test_events_of_ours_follow_one_of_the_greatest_depth(
    house: House, alice: User, version: str, greatest: int
) -> None:
    room_id = RoomID(await alice.create_room(room_version=version))
    deep = await deep_event(house, room_id, alice.user_id, greatest)
    record = INPUT_ROOM_EVENT.encode(AddEvent(deep.event_id, version, deep.raw))
    [position] = await house.log.append(INPUT_ROOM_EVENT.name, [Outgoing(room_id, record)])
    await house.rooms.queries.query_room_head(
        room_id=room_id,
        state_keys=[],
        not_before=InputPosition(position.partition, position.offset),
    )

    # The other replica remembers nothing of the room.
    said = [await say(alice, room_id, replica=1) for _ in range(3)]

    assert {status for status, _ in said} == {200}
    for _, event_id in said:
        event = await house.event(event_id)
        assert parse_event(event.raw, event.room_version).depth == greatest


async def deep_event(house: House, room_id: RoomID, sender: UserID, depth: int) -> Event:
    """Return an event that follows the latest, as another server may build it."""
    keys = [CREATE, POWER_LEVELS, member_key(sender)]
    head = await house.rooms.queries.query_room_head(room_id=room_id, state_keys=keys)
    version = room_version(head.room_version)
    return build_event(
        version=version,
        room_id=room_id,
        type="m.room.message",
        sender=sender,
        content={"msgtype": "m.text", "body": "deep"},
        origin_server_ts=1_700_000_000_000,
        depth=depth,
        prev_events=head.latest_event_ids,
        auth_events=[one.event_id for one in head.state],
        server_name=SERVER_NAME,
        key=KEY,
        event_id_suffix="deep" if version.has_event_id_field else None,
        reference_hashes=head.reference_hashes,
    )


async def test_who_was_removed_through_another_one_is_refused(
    alice: User, bob: User, room_id: str
) -> None:
    before, _ = await say(bob, room_id)
    kick = f"{V3}/rooms/{quote(room_id)}/kick"
    kicked = await alice.replicas[1].post(kick, {"user_id": bob.user_id})

    after, _ = await say(bob, room_id)

    assert (before, kicked.status, after) == (200, 200, 403)


async def test_who_has_come_back_through_another_one_is_heard_at_once(
    alice: User, bob: User, room_id: str
) -> None:
    await say(alice, room_id)
    for _ in range(10):
        left = await bob.in_room("leave", room_id)
        refused, _ = await say(bob, room_id)
        joined = await bob.replicas[1].post(f"{V3}/rooms/{quote(room_id)}/join", {})

        allowed, _ = await say(bob, room_id)

        assert (left.status, refused, joined.status, allowed) == (200, 403, 200, 200)


async def test_levels_that_were_changed_through_another_one_hold_at_once(
    alice: User, bob: User, room_id: str
) -> None:
    path = f"{V3}/rooms/{quote(room_id)}/state/m.room.power_levels/"
    for needed, expected in ((50, 403), (0, 200)) * 3:
        content = {"events": {"m.room.message": needed}}
        changed = await alice.replicas[1].put(path, content)

        status, _ = await say(bob, room_id)

        assert (changed.status, status) == (200, expected)
