"""The room server decides on events and announces what came of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from internalapi.roomserver import InputPosition, RoomUnknown
from logs.records.room_input import Transaction
from logs.records.room_output import (
    EventAdded,
    InputRejected,
    InputRepeated,
    OldEventAdded,
    RedactionApplied,
    RedactionWithheld,
    SoftFailed,
)
from matrix.identifiers import EventID, RoomID
from matrix.room_versions import ROOM_VERSIONS
from tests.component.roomserver.story import (
    ALICE,
    BOB,
    CHARLIE,
    MALLORY,
    AddState,
    House,
    Room,
    added,
    running_house,
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db") as running:
        yield running


async def begun(house: House, room: Room) -> None:
    for output in await house.add(*room.beginning()):
        assert isinstance(output, EventAdded), output


@pytest.mark.parametrize("version", ROOM_VERSIONS)
async def test_a_room_of_every_version_takes_messages(house: House, version: str) -> None:
    room = Room(version)
    await begun(house, room)
    message = room.message("hello")
    [output] = await house.add(message)
    assert isinstance(output, EventAdded)
    assert output.event_id == message.event_id
    assert output.latest_event_ids == [message.event_id]
    head = await house.server.queries.query_room_head(room_id=room.room_id, state_keys=[])
    assert head.latest_event_ids == [message.event_id]
    assert head.depth == 7


async def test_a_state_event_is_announced_with_what_it_replaces(house: House) -> None:
    room = Room()
    await begun(house, room)
    first = room.next("m.room.topic", {"topic": "one"}, state_key="")
    second = room.next("m.room.topic", {"topic": "two"}, state_key="")
    _, output = await house.add(first, second)
    assert isinstance(output, EventAdded)
    [change] = output.state_changes
    assert (change.type, change.event_id, change.replaces) == (
        "m.room.topic",
        second.event_id,
        first.event_id,
    )
    assert output.replaced_pdu == first.raw


async def test_an_event_that_comes_again_is_not_added_again(house: House) -> None:
    room = Room()
    await begun(house, room)
    message = room.message("once")
    first, second = await house.add(message, message)
    assert isinstance(first, EventAdded)
    assert second == InputRepeated(room.room_id, message.event_id, message.event_id)
    [third] = await house.add(message)
    assert third == second


async def test_a_repeated_transaction_is_answered_with_the_first_event(house: House) -> None:
    room = Room()
    await begun(house, room)
    transaction = Transaction(BOB, "PHONE", "txn1")
    first = room.message("hello", sender=BOB)
    again = room.build("m.room.message", {"msgtype": "m.text", "body": "hello"}, sender=BOB)
    [output] = await house.add(first, transaction=transaction)
    assert isinstance(output, EventAdded)
    assert output.transaction == transaction
    assert await house.add(again, transaction=transaction) == [
        InputRepeated(room.room_id, again.event_id, first.event_id)
    ]


async def test_a_transaction_id_holds_for_one_room_and_event_type(house: House) -> None:
    room = Room()
    await begun(house, room)
    transaction = Transaction(BOB, "PHONE", "txn1")
    message = room.message("hello", sender=BOB)
    other = room.next("org.example.other", {}, sender=BOB)
    outputs = await house.add(message, other, transaction=transaction)
    assert all(isinstance(output, EventAdded) for output in outputs)


async def test_an_event_that_the_rules_refuse_is_rejected_in_every_replay(house: House) -> None:
    room = Room()
    await begun(house, room)
    intruder = room.build("m.room.message", {"body": "let me in"}, sender=CHARLIE)
    [first] = await house.add(intruder)
    assert isinstance(first, InputRejected)
    assert "not in the room" in first.reason
    assert await house.add(intruder) == [first]


async def test_an_event_on_top_of_a_rejected_one_stands_as_if_that_had_no_effect(
    house: House,
) -> None:
    room = Room()
    await begun(house, room)
    topic = room.build("m.room.topic", {"topic": "mine"}, sender=BOB, state_key="")
    follower = room.build("m.room.message", {"body": "hi"}, after=[topic])
    rejected, accepted = await house.add(topic, follower)
    assert isinstance(rejected, InputRejected)
    assert isinstance(accepted, EventAdded)
    state = await house.server.queries.query_state(room_id=room.room_id)
    assert topic.event_id not in {event.event_id for event in state}


async def test_branches_meet_in_one_state_for_everyone(house: House) -> None:
    room = Room()
    await begun(house, room)
    fork = room.latest
    one = room.build("m.room.topic", {"topic": "one"}, state_key="", after=fork)
    two = room.build("m.room.name", {"name": "two"}, state_key="", after=fork)
    await house.add(one, two)
    head = await house.server.queries.query_room_head(
        room_id=room.room_id, state_keys=[("m.room.topic", ""), ("m.room.name", "")]
    )
    assert set(head.latest_event_ids) == {one.event_id, two.event_id}
    assert {event.event_id for event in head.state} == {one.event_id, two.event_id}
    joined = room.build("m.room.message", {"body": "after"}, after=[one, two])
    [output] = await house.add(joined)
    assert isinstance(output, EventAdded)
    assert output.latest_event_ids == [joined.event_id]


async def test_a_ban_beside_a_message_wins_and_the_message_that_follows_fails_softly(
    house: House,
) -> None:
    room = Room()
    await begun(house, room)
    fork, state = room.latest, dict(room.state)
    ban = room.next("m.room.member", {"membership": "ban"}, sender=ALICE, state_key=BOB, after=fork)
    late = room.build("m.room.message", {"body": "hi"}, sender=BOB, after=fork, state=state)
    banned, output = await house.add(ban, late)
    assert isinstance(banned, EventAdded)
    assert isinstance(output, SoftFailed)
    head = await house.server.queries.query_room_head(room_id=room.room_id, state_keys=[])
    assert head.latest_event_ids == [ban.event_id]


async def test_state_that_is_refused_changes_nothing_even_where_branches_would_meet(
    house: House,
) -> None:
    room = Room()
    await begun(house, room)
    fork, state = room.latest, dict(room.state)
    ban = room.next("m.room.member", {"membership": "ban"}, sender=ALICE, state_key=BOB, after=fork)
    name = {"displayname": "Bob", "membership": "join"}
    late = room.build("m.room.member", name, sender=BOB, state_key=BOB, after=fork, state=state)
    topic = room.build("m.room.topic", {"topic": "no"}, sender=BOB, state_key="", after=fork)
    await house.add(ban)
    before = await house.server.queries.query_state(room_id=room.room_id)

    soft_failed, rejected = await house.add(late, topic)

    assert isinstance(soft_failed, SoftFailed)
    assert isinstance(rejected, InputRejected)
    assert await house.server.queries.query_state(room_id=room.room_id) == before
    head = await house.server.queries.query_room_head(room_id=room.room_id, state_keys=[])
    assert head.latest_event_ids == [ban.event_id]
    queries = house.server.queries
    [stands] = await queries.query_rooms_of_user(user_id=BOB, memberships=["join", "ban"])
    assert stands.membership == "ban"


async def test_a_redaction_is_applied_to_the_stored_event(house: House) -> None:
    room = Room()
    await begun(house, room)
    message = room.message("secret", sender=BOB)
    redaction = room.next("m.room.redaction", {}, sender=BOB, redacts=message.event_id)
    _, shown = await house.add(message, redaction)
    [applied] = await house.outputs(1)
    assert isinstance(shown, EventAdded)
    assert isinstance(applied, RedactionApplied)
    assert b"secret" not in applied.redacted_pdu
    [stored] = await house.server.queries.query_events(event_ids=[message.event_id])
    assert stored.event.content == {}
    assert stored.redacted_because == redaction.event_id


async def test_a_redaction_by_a_stranger_without_the_level_has_no_effect(house: House) -> None:
    room = Room()
    await begun(house, room)
    await house.add(room.member(MALLORY, "join"))
    message = room.message("stays")
    redaction = room.next("m.room.redaction", {}, sender=MALLORY, redacts=message.event_id)
    _, output = await house.add(message, redaction)
    assert output == RedactionWithheld(room.room_id, redaction.event_id, is_waiting=False)
    [stored] = await house.server.queries.query_events(event_ids=[message.event_id])
    assert stored.redacted_because is None


@pytest.mark.parametrize("version", ["1", "3", "11", "12"])
async def test_state_of_the_type_of_redactions_redacts_nothing(house: House, version: str) -> None:
    room = Room(version)
    await begun(house, room)
    message = room.message("stays")
    content = {"redacts": message.event_id}
    state = room.next(
        "m.room.redaction", content, sender=ALICE, state_key="", redacts=message.event_id
    )
    _, output = await house.add(message, state)
    assert isinstance(output, EventAdded)
    assert output.event_id == state.event_id
    [stored] = await house.server.queries.query_events(event_ids=[message.event_id])
    assert stored.redacted_because is None


async def test_a_redaction_before_its_target_takes_effect_when_that_arrives(house: House) -> None:
    room = Room()
    await begun(house, room)
    message = room.build("m.room.message", {"body": "secret"}, sender=BOB)
    redaction = room.next("m.room.redaction", {}, sender=BOB, redacts=message.event_id)
    [withheld] = await house.add(redaction, origin="elsewhere.test")
    assert withheld == RedactionWithheld(room.room_id, redaction.event_id, is_waiting=True)
    await house.put(added(message, origin="elsewhere.test"))
    target, shown, applied = await house.outputs(3)
    assert isinstance(target, EventAdded)
    assert isinstance(shown, EventAdded)
    assert shown.event_id == redaction.event_id
    assert isinstance(applied, RedactionApplied)


async def test_an_event_whose_past_is_unknown_needs_its_state_given(house: House) -> None:
    room = Room()
    await begun(house, room)
    gap = room.build("m.room.message", {"body": "unseen"})
    event = room.build("m.room.message", {"body": "seen"}, after=[gap])
    [refused] = await house.add(event)
    assert isinstance(refused, InputRejected)
    state = [one.event_id for one in room.state.values()]
    await house.put(
        AddState(room.room_id, event.event_id, "12", list(state[:2]), 0, is_last=False),
        AddState(room.room_id, event.event_id, "12", list(state[2:]), 1),
        added(event),
    )
    [output] = await house.outputs(1)
    assert isinstance(output, EventAdded)
    before = await house.server.queries.query_state(
        room_id=room.room_id, before_event_id=event.event_id
    )
    assert {one.event_id for one in before} == set(state)


async def test_a_backfilled_event_changes_nothing_of_the_present(house: House) -> None:
    room = Room()
    await begun(house, room)
    fork = room.latest
    await house.add(room.message("now"))
    old = room.build("m.room.topic", {"topic": "long ago"}, state_key="", after=fork)
    [output] = await house.add(old, kind="old", origin="elsewhere.test")
    assert isinstance(output, OldEventAdded)
    head = await house.server.queries.query_room_head(
        room_id=room.room_id, state_keys=[("m.room.topic", "")]
    )
    assert head.state == []
    assert head.latest_event_ids == [room.latest[0].event_id]


@pytest.mark.parametrize("is_target_first", [True, False])
async def test_a_backfilled_redaction_takes_effect_whichever_comes_first(
    house: House, *, is_target_first: bool
) -> None:
    room = Room()
    await begun(house, room)
    fork = room.latest
    message = room.build("m.room.message", {"body": "secret"}, sender=BOB, after=fork)
    redaction = room.build("m.room.redaction", {}, sender=BOB, redacts=message.event_id, after=fork)
    both = [message, redaction] if is_target_first else [redaction, message]

    await house.put(*(added(one, kind="old", origin="elsewhere.test") for one in both))

    *old, applied = await house.outputs(3)
    assert all(isinstance(one, OldEventAdded) for one in old)
    assert isinstance(applied, RedactionApplied)
    assert applied.event_id == message.event_id


async def test_an_outlier_is_kept_for_auth_chains_alone(house: House) -> None:
    room = Room()
    await begun(house, room)
    outlier = room.build("m.room.member", {"membership": "join"}, sender=CHARLIE, state_key=CHARLIE)
    message = room.message("marks the end")
    await house.put(added(outlier, kind="outlier"), added(message))
    [output] = await house.outputs(1)
    assert isinstance(output, EventAdded)
    assert output.event_id == message.event_id
    [stored] = await house.server.queries.query_events(event_ids=[outlier.event_id])
    assert stored.is_outlier
    assert (
        await house.server.queries.query_membership(room_id=room.room_id, user_id=CHARLIE) is None
    )


async def test_memberships_follow_the_current_state(house: House) -> None:
    room = Room()
    await begun(house, room)
    await house.add(room.member(BOB, "leave"), room.member(CHARLIE, "join"))
    queries = house.server.queries
    assert await queries.query_members(room_id=room.room_id, membership="join") == [ALICE, CHARLIE]
    [left] = await queries.query_rooms_of_user(user_id=BOB, memberships=["leave", "join"])
    assert (left.room_id, left.membership) == (room.room_id, "leave")


async def test_a_query_waits_for_the_input_that_it_names(house: House) -> None:
    room = Room()
    await house.put(*(added(event) for event in room.beginning()))
    head = await house.server.queries.query_room_head(
        room_id=room.room_id, state_keys=[], not_before=InputPosition(0, 4)
    )
    assert head.latest_event_ids == [room.latest[0].event_id]


async def test_an_unknown_room_is_not_found(house: House) -> None:
    with pytest.raises(RoomUnknown):
        await house.server.queries.query_room_head(room_id=RoomID("!no:where"), state_keys=[])
    assert await house.server.queries.query_events(event_ids=[EventID("$none")]) == []


async def test_everything_stands_after_a_restart(tmp_path: Path) -> None:
    room = Room()
    url = f"sqlite:///{tmp_path}/db"
    async with running_house(tmp_path, url) as house:
        await begun(house, room)
        message = room.message("before")
        await house.add(message)
    async with running_house(tmp_path, url) as house:
        after = room.message("after")
        await house.put(added(message), added(after))
        outputs = await house.outputs(1)
        # What was announced shortly before the stop may be announced once more, equally numbered.
        while not isinstance(outputs[-1], InputRepeated):
            outputs = await house.outputs(1)
        [output] = await house.outputs(1)
        assert isinstance(output, EventAdded)
        assert output.latest_event_ids == [after.event_id]
