"""What a client API remembers of a room where a redaction is withheld."""

import asyncio
from pathlib import Path

import pytest

from logs.embedded import EmbeddedLog
from logs.log import Outgoing
from logs.records.room_output import EventAdded, RedactionWithheld, StateChange
from logs.topics import OUTPUT_ROOM_EVENT, TOPICS
from matrix.identifiers import EventID, RoomID
from roomwriting.outcomes import Outcomes


class Spoiled:
    """Notes which rooms are to be asked for again."""

    def __init__(self) -> None:
        self.rooms: list[RoomID] = []

    def added(self, record: EventAdded, *, is_own: bool) -> None:
        """Pass over events that were added."""

    def forget_state(self, room_id: RoomID) -> None:
        self.rooms.append(room_id)


@pytest.mark.parametrize(
    ("changes", "spoiled"),
    [([], []), ([StateChange("m.room.topic", "", "$topic")], ["!room"])],
)
async def test_a_room_whose_state_changed_with_ones_own_redaction_is_asked_for_again(
    tmp_path: Path, changes: list[StateChange], spoiled: list[str]
) -> None:
    log = await EmbeddedLog.open(tmp_path, dict.fromkeys(TOPICS, 1))
    outcomes, follower = Outcomes(log, "clientapi", max_waiting=2), Spoiled()
    outcomes.tell(follower)
    running = asyncio.create_task(outcomes.run())
    await outcomes.wait_ready()
    own = outcomes.expect(EventID("$redaction"))

    record = RedactionWithheld("!room", "$redaction", is_waiting=False, state_changes=changes)
    await log.append(OUTPUT_ROOM_EVENT.name, [Outgoing("!room", OUTPUT_ROOM_EVENT.encode(record))])
    await own

    assert follower.rooms == spoiled
    running.cancel()
    await asyncio.wait([running])
    await log.close()


async def test_a_part_of_what_an_event_changes_is_not_its_outcome(tmp_path: Path) -> None:
    log = await EmbeddedLog.open(tmp_path, dict.fromkeys(TOPICS, 1))
    outcomes, follower = Outcomes(log, "clientapi", max_waiting=2), Spoiled()
    outcomes.tell(follower)
    running = asyncio.create_task(outcomes.run())
    await outcomes.wait_ready()
    ban, marker = outcomes.expect(EventID("$ban")), outcomes.expect(EventID("$marker"))

    changes = [StateChange("m.room.topic", "", "$topic")]
    part = RedactionWithheld("!room", "$ban", is_waiting=False, state_changes=changes, is_part=True)
    for record in (part, RedactionWithheld("!other", "$marker", is_waiting=False)):
        encoded = OUTPUT_ROOM_EVENT.encode(record)
        await log.append(OUTPUT_ROOM_EVENT.name, [Outgoing(record.room_id, encoded)])
    await marker

    assert not ban.done()
    assert follower.rooms == ["!room"]
    running.cancel()
    await asyncio.wait([running])
    await log.close()
