"""The same inputs give the same outputs, however they are cut into batches."""

import random
from pathlib import Path

import pytest

from components.roomserver.settings import RoomServerSettings
from logs.records.room_input import AddEvent, Transaction
from logs.records.room_output import (
    EventAdded,
    InputRejected,
    InputRepeated,
    OutputRoomEvent,
    RedactionApplied,
)
from matrix.events import Event
from tests.component.roomserver.story import (
    ALICE,
    BOB,
    CHARLIE,
    Room,
    added,
    running_house,
)

INPUTS = 120


def inputs(seed: int) -> list[AddEvent]:
    """Return a room's life with branches, refusals, repeats and redactions."""
    dice = random.Random(seed)
    room = Room()
    events: list[Event] = room.beginning()
    records = [added(event) for event in events]
    while len(records) < INPUTS:
        sender = dice.choice([ALICE, BOB, CHARLIE])
        after = dice.sample(events[-8:], dice.randint(1, 3))
        match dice.randint(0, 5):
            case 0:
                topic = {"topic": str(dice.random())}
                event = room.build("m.room.topic", topic, sender=sender, state_key="", after=after)
            case 1:
                membership = dice.choice(["join", "leave", "ban"])
                event = room.build(
                    "m.room.member",
                    {"membership": membership},
                    sender=ALICE if membership == "ban" else CHARLIE,
                    state_key=CHARLIE,
                    after=after,
                )
                room.state[event.state_tuple] = event
            case 2:
                target = dice.choice(events).event_id
                event = room.build(
                    "m.room.redaction", {}, sender=sender, redacts=target, after=after
                )
            case _:
                event = room.build("m.room.message", {"body": "x"}, sender=sender, after=after)
        events.append(event)
        transaction = Transaction(sender, "D", str(dice.randint(0, 400)))
        records.append(added(event, transaction=transaction))
        if dice.random() < 0.1:
            records.append(dice.choice(records))
    end = room.build("m.room.message", {"body": "the end"}, after=events[:1])
    return [*records, added(end)]


async def outcome(folder: Path, records: list[AddEvent], max_batch: int) -> list[OutputRoomEvent]:
    settings = RoomServerSettings(max_batch_events=max_batch)
    async with running_house(folder, f"sqlite:///{folder}/db", settings) as house:
        await house.put(*records)
        outputs: list[OutputRoomEvent] = []
        while not _ends(outputs, records[-1]):
            outputs += await house.outputs(1)
        return outputs


def _ends(outputs: list[OutputRoomEvent], last: AddEvent) -> bool:
    return bool(outputs) and outputs[-1].event_id == last.event_id


@pytest.mark.parametrize("seed", range(4))
async def test_outputs_do_not_depend_on_batches(tmp_path: Path, seed: int) -> None:
    records = inputs(seed)
    expected = await outcome(tmp_path / "one", records, 1)
    kinds = {type(one) for one in expected}
    assert {EventAdded, InputRejected, InputRepeated, RedactionApplied} <= kinds
    for max_batch in (7, 200):
        assert await outcome(tmp_path / str(max_batch), records, max_batch) == expected
