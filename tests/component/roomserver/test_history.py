"""What was announced of a room can be announced again, for readers that are rebuilt."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from logs.records.room_input import Transaction
from logs.records.room_output import (
    EventAdded,
    OldEventAdded,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
    StateChange,
)
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.events import Event
from matrix.identifiers import EventID, RoomID, UserID
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


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with running_house(tmp_path, database_url) as running:
        yield running


async def history_of(house: House, room_id: RoomID, limit: int = 1000) -> list[OutputRoomEvent]:
    """Return the whole history of a room, read in parts."""
    records: list[OutputRoomEvent] = []
    place: int | None = 0
    while place is not None:
        page = await house.history.query_room_history(
            room_id=room_id, after_place=place, limit=limit
        )
        records += map(OUTPUT_ROOM_EVENT.decode, page.records)
        place = page.next_place
    return records


def announced(records: list[OutputRoomEvent]) -> list[OutputRoomEvent]:
    """Return what readers were told, without what only the moment knew."""
    return [
        msgspec.structs.replace(one, latest_event_ids=[], transaction=None)
        if isinstance(one, EventAdded)
        else one
        for one in records
        if isinstance(one, EventAdded | OldEventAdded | RedactionApplied)
    ]


async def test_history_is_what_was_announced(house: House) -> None:
    room = Room()
    outputs = await house.add(*room.beginning())
    fork = room.latest
    one = room.build("m.room.topic", {"topic": "one"}, state_key="", after=fork)
    two = room.build("m.room.topic", {"topic": "two"}, state_key="", after=fork)
    state = dict(room.state)
    outputs += await house.add(one, two)
    ban = room.next(
        "m.room.member", {"membership": "ban"}, sender=ALICE, state_key=BOB, after=[one, two]
    )
    late = room.build("m.room.message", {"body": "hi"}, sender=BOB, after=fork, state=state)
    outputs += await house.add(ban, late, room.member(CHARLIE, "join"), room.message("hello"))
    old = room.build("m.room.topic", {"topic": "long ago"}, state_key="", after=fork)
    outputs += await house.add(old, kind="old", origin="elsewhere.test")

    records = await history_of(house, room.room_id)

    assert records == announced(outputs)
    assert await history_of(house, room.room_id, limit=2) == records
    assert await house.history.query_rooms(after="", limit=10) == [room.room_id]
    assert await house.history.query_rooms(after=room.room_id, limit=10) == []


async def taken_back(house: House, room: Room) -> list[OutputRoomEvent]:
    """Let a ban take back what bob has set on another branch, 1.5 MB; return what it is told by."""
    users = {ALICE: 100, BOB: 50}
    events = [*room.beginning(), room.next("m.room.power_levels", {"users": users}, state_key="")]
    filling = "x" * 60_000
    events += [
        room.next("org.example", {"by": "alice", "x": filling}, state_key=str(number))
        for number in range(26)
    ]
    fork, before = room.latest, dict(room.state)
    events += [
        room.next("org.example", {"by": "bob", "x": filling}, sender=BOB, state_key=str(number))
        for number in range(26)
    ]
    await house.add(*events)
    ban = room.build(
        "m.room.member", {"membership": "ban"}, state_key=BOB, after=fork, state=before
    )
    await house.put(added(ban, origin="elsewhere.test"))
    outputs: list[OutputRoomEvent] = []
    while not (outputs and isinstance(outputs[-1], EventAdded)):
        outputs += await house.outputs(1)
    return outputs


async def test_more_changes_than_a_record_holds_are_announced_in_parts(house: House) -> None:
    room = Room("11")

    *parts, ban = await taken_back(house, room)

    sizes = [len(OUTPUT_ROOM_EVENT.encode(one)) for one in (*parts, ban)]
    assert sum(sizes) > house.log.max_record_bytes
    assert max(sizes) < house.log.max_record_bytes / 2
    assert all(isinstance(part, RedactionWithheld) and part.is_part for part in parts)
    assert isinstance(ban, EventAdded)
    told = [change for one in (*parts, ban) for change in changes_of(one)]
    assert len(told) == len({(change.type, change.state_key) for change in told}) == 27
    assert told[-1].event_id == ban.event_id
    state = await house.server.queries.query_state(room_id=room.room_id)
    now = {event.state_tuple: event.event_id for event in state}
    assert all(now[change.type, change.state_key] == change.event_id for change in told)
    # A reader that is rebuilt is told the same.
    records = await history_of(house, room.room_id)
    assert records[-len(parts) - 1 :] == [*parts, *announced([ban])]


def changes_of(record: OutputRoomEvent) -> list[StateChange]:
    """Return what a record changes, whose PDUs have to be in it."""
    assert isinstance(record, EventAdded | RedactionWithheld)
    ids = {change.event_id for change in record.state_changes}
    assert ids == {*record.state_events} | (ids & {record.event_id})
    return record.state_changes


async def test_a_redacted_event_comes_redacted_with_its_redaction(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    message = room.message("secret", sender=BOB)
    redaction = room.next("m.room.redaction", {}, sender=BOB, redacts=message.event_id)
    await house.put(added(message), added(redaction))
    await house.outputs(3)

    shown, applied, last = (await history_of(house, room.room_id))[5:]

    assert isinstance(shown, EventAdded)
    assert b"secret" not in shown.pdu
    assert isinstance(applied, RedactionApplied)
    assert applied.event_id == shown.event_id == message.event_id
    assert applied.redaction_pdu == redaction.raw
    assert isinstance(last, EventAdded)
    assert last.event_id == redaction.event_id


async def test_a_redaction_that_was_shown_late_comes_after_its_target(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    await house.add(room.member(MALLORY, "join"))
    message = room.build("m.room.message", {"body": "secret"}, sender=BOB)
    redaction = room.next("m.room.redaction", {}, sender=BOB, redacts=message.event_id)
    stranger = room.next("m.room.redaction", {}, sender=MALLORY, redacts=room.latest[0].event_id)
    await house.add(redaction, stranger, origin="elsewhere.test")
    await house.put(added(message, origin="elsewhere.test"))
    await house.outputs(3)

    records = (await history_of(house, room.room_id))[6:]

    assert [type(one) for one in records] == [EventAdded, RedactionApplied, EventAdded]
    assert [one.event_id for one in records] == [
        message.event_id,
        message.event_id,
        redaction.event_id,
    ]


async def test_a_room_that_is_not_known_has_no_history(house: House) -> None:
    assert await history_of(house, RoomID("!none:xylem.test")) == []


async def undone_leave(house: House, room: Room, redacts: EventID) -> tuple[Event, Event, Event]:
    """Return charlie's join, his leave, and a redaction of bob's on a branch without the leave.

    By state resolution the join, which claims to be sent later, prevails where they meet.
    """
    await house.add(*room.beginning())
    room.rewind(-1_000_000)
    join = room.member(CHARLIE, "join")
    state = dict(room.state)
    room.rewind(500_000)
    leave = room.member(CHARLIE, "leave")
    await house.add(join, leave)
    redaction = room.build(
        "m.room.redaction", {}, sender=BOB, redacts=redacts, after=[join], state=state
    )
    return join, leave, redaction


async def rooms_of(house: House, user_id: UserID) -> list[str]:
    """Return where the user is said to stand."""
    queries = house.server.queries
    found = await queries.query_rooms_of_user(user_id=user_id, memberships=["join", "leave"])
    return [one.membership for one in found]


async def test_a_withheld_redaction_tells_what_state_changed_with_it(house: House) -> None:
    room = Room()
    join, leave, redaction = await undone_leave(house, room, EventID("$unknown"))
    assert await rooms_of(house, CHARLIE) == ["leave"]

    [output] = await house.add(redaction, origin="elsewhere.test")

    change = StateChange("m.room.member", CHARLIE, join.event_id, leave.event_id)
    assert output == RedactionWithheld(
        room.room_id,
        redaction.event_id,
        is_waiting=True,
        room_version="12",
        state_changes=[change],
        state_events={join.event_id: join.raw},
    )
    assert await rooms_of(house, CHARLIE) == ["join"]
    [*_, last] = await history_of(house, room.room_id)
    assert last == msgspec.structs.replace(output, is_waiting=False)


async def test_a_redaction_shown_late_changed_the_state_when_it_came(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    room.rewind(-1_000_000)
    join = room.member(CHARLIE, "join")
    secret = room.build("m.room.message", {"body": "secret"}, sender=BOB)
    state = dict(room.state)
    room.rewind(500_000)
    leave = room.member(CHARLIE, "leave")
    redaction = room.build(
        "m.room.redaction", {}, sender=BOB, redacts=secret.event_id, after=[join], state=state
    )
    gone = room.next(
        "m.room.member",
        {"membership": "ban"},
        sender=ALICE,
        state_key=CHARLIE,
        after=[leave, redaction],
        state={**state, join.state_tuple: join},
    )
    await house.add(join, leave)
    await house.add(redaction, gone, origin="elsewhere.test")
    await house.put(added(secret, origin="elsewhere.test"))
    _, shown, _ = await house.outputs(3)
    assert isinstance(shown, EventAdded)

    history = await history_of(house, room.room_id)

    placed = [one for one in history if isinstance(one, EventAdded)]
    assert [one.event_id for one in placed][-3:] == [
        redaction.event_id,
        gone.event_id,
        secret.event_id,
    ]
    held = {
        (change.type, change.state_key): change.event_id
        for one in placed
        for change in one.state_changes
    }
    assert held["m.room.member", CHARLIE] == gone.event_id


async def test_transactions_are_told_with_the_events_that_they_made(house: House) -> None:
    room = Room()
    await house.add(*room.beginning())
    sent: dict[str, tuple[str, str]] = {}
    for device in ("PHONE", "LAPTOP"):
        for number in range(3):
            message = room.message("hello", sender=BOB)
            transaction = Transaction(BOB, device, f"txn{number}")
            await house.add(message, transaction=transaction)
            sent[message.event_id] = (device, transaction.transaction_id)

    found: dict[str, tuple[str, str]] = {}
    place: list[str] | None = []
    while place is not None:
        page = await house.history.query_sent_events(after=place, limit=2)
        found.update({one.event_id: (one.device_id, one.transaction_id) for one in page.events})
        place = page.next_place

    assert found == sent
