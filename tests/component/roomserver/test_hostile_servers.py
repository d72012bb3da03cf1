"""What other servers may send on purpose to harm a room: the room server holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from components.roomserver.settings import RoomServerSettings
from internalapi.roomserver import InputPosition
from logs.records.room_input import AddState
from logs.records.room_output import (
    EventAdded,
    InputRejected,
    RedactionWithheld,
)
from matrix.canonical import MAX_INTEGER
from matrix.events import Event
from matrix.identifiers import RoomID
from matrix.state_keys import CREATE, POWER_LEVELS, member_key
from tests.component.roomserver.counting import counted_reads
from tests.component.roomserver.story import (
    ALICE,
    BOB,
    CHARLIE,
    MALLORY,
    House,
    Room,
    added,
    running_house,
)

ELSEWHERE = "elsewhere.test"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db") as running:
        yield running


async def begun(house: House, room: Room) -> None:
    for output in await house.add(*room.beginning()):
        assert isinstance(output, EventAdded), output


async def mallorys_room(house: House) -> Room:
    """Return another room, in which mallory stands above all."""
    room = Room("11")
    room.room_id = RoomID("!other:xylem.test")
    await begun(house, room)
    await house.add(
        room.member(MALLORY, "join"),
        room.next("m.room.power_levels", {"users": {ALICE: 100, MALLORY: 100}}, state_key=""),
    )
    return room


@pytest.mark.parametrize("version", ["1", "11", "12"])
async def test_an_event_that_names_an_auth_event_twice_is_rejected(
    house: House, version: str
) -> None:
    room = Room(version)
    await begun(house, room)
    create, levels = room.state[CREATE], room.state[POWER_LEVELS]
    bob = room.state[member_key(BOB)]
    right = [levels, bob] if version == "12" else [create, levels, bob]
    # As many as are selected, and more: one of them stands twice.
    wrong = [[right[0], *right[:-1]], [*right, bob]]

    for auth in wrong:
        event = room.build("m.room.message", {"body": "hi"}, sender=BOB, auth=auth)
        [output] = await house.add(event, origin=ELSEWHERE)

        assert isinstance(output, InputRejected)
        assert "there are two events" in output.reason
        [stored] = await house.server.queries.query_events(event_ids=[event.event_id])
        assert stored.is_rejected


async def test_an_event_waits_for_auth_events_that_are_not_known(house: House) -> None:
    room = Room("11")
    await begun(house, room)
    join = room.build("m.room.member", {"membership": "join"}, sender=CHARLIE, state_key=CHARLIE)
    state = {**room.state, join.state_tuple: join}
    early = room.build("m.room.message", {"body": "hi"}, sender=CHARLIE, state=state)
    kept = room.build(
        "m.room.member", {"membership": "leave"}, sender=CHARLIE, state_key=CHARLIE, state=state
    )

    [refused] = await house.add(early, origin=ELSEWHERE)
    await house.put(added(kept, kind="outlier", origin=ELSEWHERE))
    await house.put(added(join, kind="outlier", origin=ELSEWHERE))
    await house.put(added(kept, kind="outlier", origin=ELSEWHERE))
    await house.server.queries.query_room_head(
        room_id=room.room_id, state_keys=[], not_before=InputPosition(0, len(room.state) + 3)
    )

    assert isinstance(refused, InputRejected)
    ids = [early.event_id, kept.event_id]
    [stored] = await house.server.queries.query_events(event_ids=ids)
    assert stored.event.event_id == kept.event_id
    assert stored.is_outlier
    assert not stored.is_rejected


async def test_a_second_create_event_of_a_room_is_rejected(house: House) -> None:
    room = Room("11")
    await begun(house, room)
    second = room.build(
        "m.room.create",
        {"room_version": "11", "m.federate": False},
        sender=BOB,
        state_key="",
        after=[],
        auth=[],
    )

    [output] = await house.add(second, origin=ELSEWHERE)

    assert isinstance(output, InputRejected)
    assert "another create event" in output.reason
    head = await house.server.queries.query_room_head(room_id=room.room_id, state_keys=[CREATE])
    assert head.latest_event_ids == [room.latest[0].event_id]
    assert [one.event_id for one in head.state] == [room.state[CREATE].event_id]


async def test_the_state_of_another_room_authorises_nothing(house: House) -> None:
    room = Room("11")
    await begun(house, room)
    joined = room.member(MALLORY, "join")
    await house.add(joined, origin=ELSEWHERE)
    other = await mallorys_room(house)
    levels = {"users": {MALLORY: 100}}
    state = {**other.state, CREATE: room.state[CREATE]}
    seized = room.build(
        "m.room.power_levels",
        levels,
        sender=MALLORY,
        state_key="",
        after=other.latest,
        state=state,
    )
    given = room.build(
        "m.room.power_levels",
        {**levels, "ban": 0},
        sender=MALLORY,
        state_key="",
        after=[seized],
        state=state,
    )

    [by_prev_events] = await house.add(seized, origin=ELSEWHERE)
    ids = [one.event_id for one in other.state.values()]
    await house.put(AddState(room.room_id, given.event_id, "11", list(ids)))
    [by_given_state] = await house.add(given, origin=ELSEWHERE)

    assert isinstance(by_prev_events, InputRejected)
    assert "prev_events" in by_prev_events.reason
    assert isinstance(by_given_state, InputRejected)
    assert "not in the room" in by_given_state.reason or "auth_events" in by_given_state.reason


async def test_a_redaction_of_another_room_does_not_lie_in_wait(house: House) -> None:
    room = Room("11")
    await begun(house, room)
    other = await mallorys_room(house)
    message = room.message("hello", sender=BOB)
    redaction = other.next("m.room.redaction", {}, sender=MALLORY, redacts=message.event_id)

    [withheld] = await house.add(redaction, origin=ELSEWHERE)
    [output] = await house.add(message, origin=ELSEWHERE)

    assert isinstance(withheld, RedactionWithheld)
    assert isinstance(output, EventAdded)
    [stored] = await house.server.queries.query_events(event_ids=[message.event_id])
    assert stored.redacted_because is None


@pytest.mark.parametrize(("version", "greatest"), [("1", 2**63 - 1), ("11", MAX_INTEGER)])
async def test_the_greatest_depth_is_followed_by_itself(
    house: House, version: str, greatest: int
) -> None:
    room = Room(version)
    await begun(house, room)
    deep = room.build("m.room.message", {"body": "deep"}, sender=BOB, depth=greatest)

    [output] = await house.add(deep, origin=ELSEWHERE)

    assert isinstance(output, EventAdded)
    head = await house.server.queries.query_room_head(room_id=room.room_id, state_keys=[])
    assert head.latest_event_ids == [deep.event_id]
    assert head.depth == greatest


async def test_a_room_that_is_joined_begins_with_the_state_that_was_given(house: House) -> None:
    room = Room("11")
    events = room.beginning()
    before = dict(room.state)
    join = room.member(CHARLIE, "join")

    await house.put(*(added(one, kind="outlier", origin=ELSEWHERE) for one in events))
    ids = [one.event_id for one in before.values()]
    await house.put(AddState(room.room_id, join.event_id, "11", list(ids)))
    [output] = await house.add(join)

    assert isinstance(output, EventAdded)
    state = await house.server.queries.query_state(room_id=room.room_id)
    assert {one.event_id for one in state} == {*ids, join.event_id}


async def fall_apart(house: House, room: Room, branches: int, each: int = 1) -> list[Event]:
    """Let the room fall into branches, each with state of its own; return their ends."""
    fork, ends = room.latest, []
    for branch in range(branches):
        after, state = fork, dict(room.state)
        for number in range(each):
            event = room.build(
                "org.example", {"x": 1}, state_key=f"{branch}/{number}", after=after, state=state
            )
            await house.add(event, origin=ELSEWHERE)
            after = [event]
        ends.append(event)
    return ends


async def test_a_room_with_many_branches_has_the_state_of_all(house: House) -> None:
    room = Room("11")
    await begun(house, room)

    ends = await fall_apart(house, room, 70, each=2)

    state = await house.server.queries.query_state(room_id=room.room_id)
    assert len([one for one in state if one.type == "org.example"]) == 140
    # What follows one of them has the state of its own branch.
    follower = room.build("m.room.message", {"body": "hi"}, after=ends[:1])
    [told] = await house.add(follower)
    before = await house.server.queries.query_state(
        room_id=room.room_id, before_event_id=follower.event_id
    )
    assert isinstance(told, EventAdded)
    assert len(told.latest_event_ids) == 20
    assert {one.state_key for one in before if one.type == "org.example"} == {"0/0", "0/1"}


async def test_many_branches_are_merged_by_those_who_write(house: House) -> None:
    room = Room("11")
    await begun(house, room)
    ends = {one.event_id: one for one in await fall_apart(house, room, 70)}
    queries = house.server.queries

    count = 0
    while len(ends) > 1:
        head = await queries.query_room_head(room_id=room.room_id, state_keys=[])
        merging = room.build(
            "m.room.message", {"body": "hi"}, after=[ends.pop(one) for one in head.latest_event_ids]
        )
        await house.add(merging)
        ends[merging.event_id] = merging
        count += 1

    head = await queries.query_room_head(room_id=room.room_id, state_keys=[])
    assert head.latest_event_ids == [*ends]
    assert count == 4
    state = await queries.query_state(room_id=room.room_id)
    assert len([one for one in state if one.type == "org.example"]) == 70


async def test_one_event_in_a_room_of_many_branches_compares_few_states(tmp_path: Path) -> None:
    # Nothing stays in memory: whatever is compared is read.
    settings = RoomServerSettings(cached_state_nodes=1, max_batch_events=1)
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db", settings) as house:
        room = Room("11")
        await begun(house, room)
        reads: list[int] = []
        for _ in range(3):
            fork = room.latest
            ends = await fall_apart(house, room, 40)
            event = room.build("m.room.message", {"body": "hi"}, after=[ends[-1]])
            with counted_reads() as statements:
                await house.add(event, origin=ELSEWHERE)
            reads.append(len(statements))
            room.latest = fork

    assert max(reads) < 20
    assert reads[0] == reads[-1]
