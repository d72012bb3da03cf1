"""The room server against a model of several servers, whose events come in any order.

More examples: `XYLEM_ROOM_EXAMPLES=500`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from components.roomserver.settings import RoomServerSettings
from internalapi.roomserver import InputPosition
from logs.records.room_input import AddState, InputRoomEvent
from matrix.events import Event
from matrix.identifiers import EventID, RoomID
from tests.component.roomserver.room_model import Federation, View
from tests.component.roomserver.story import House, added, running_house

EXAMPLES = int(os.environ.get("XYLEM_ROOM_EXAMPLES", "12"))
STEPS = 60
VERSIONS = ("1", "2", "6", "10", "11", "12")
FARTHEST = 12
"""So many places an event may come too late."""


def arrivals(dice: Random, made: list[Event]) -> list[Event]:
    """Return events in an order in which they may come: early, late, and some more than once."""
    order = sorted(range(1, len(made)), key=lambda place: place + dice.random() * FARTHEST)
    coming = [made[0], *(made[place] for place in order)]
    for _ in range(len(made) // 5):
        coming.insert(dice.randint(1, len(coming)), dice.choice(made))
    return coming


def everything_comes(dice: Random, made: list[Event], view: View) -> list[Event]:
    """Return what the server is sent until nothing is missing any more, and let the view take it.

    What came before its past is not kept by the room server: it is sent again.
    """
    sent: list[Event] = []
    missing = made
    while missing:
        for event in arrivals(dice, missing):
            sent.append(event)
            view.take(event)
        missing = [one for one in made if one.event_id not in view.events]
    return sent


@pytest.mark.parametrize("seed", range(EXAMPLES))
async def test_a_room_ends_as_the_model_of_its_servers_says(tmp_path: Path, seed: int) -> None:
    dice = Random(seed)
    federation = Federation(dice, VERSIONS[seed % len(VERSIONS)], STEPS)
    view = View(federation.room.version)
    sent = everything_comes(dice, federation.made, view)
    settings = RoomServerSettings(
        max_batch_events=dice.choice([1, 7, 200]),
        cached_events=dice.choice([1, 10_000]),
        cached_state_nodes=dice.choice([1, 20_000]),
    )

    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db", settings) as house:
        await house.put(*(added(event, origin="elsewhere.test") for event in sent))

        await is_as_modelled(house, federation.made, view, len(sent))


@pytest.mark.parametrize("seed", range(EXAMPLES // 2))
async def test_a_room_that_is_joined_late_ends_as_the_model_says(tmp_path: Path, seed: int) -> None:
    dice = Random(seed)
    federation = Federation(dice, VERSIONS[seed % len(VERSIONS)], STEPS)
    whole = View(federation.room.version)
    everything_comes(dice, federation.made, whole)
    accepted = [one for one in federation.made[20:] if one.event_id not in whole.rejected]
    first = dice.choice(accepted)
    before = whole.before[first.event_id]
    past = federation.history(first)[:-1]
    version = federation.room.version.identifier
    view = View(federation.room.version)
    records: list[InputRoomEvent] = []

    # Of the past, there is the state before the first event, with all that authorises it.
    for event in authorising(federation, [*before.values(), *first.auth_event_ids]):
        view.outliers[event.event_id] = event
        records.append(added(event, kind="outlier", origin="elsewhere.test"))
    ids: list[str] = [*before.values()]
    records += [
        AddState(first.room_id, first.event_id, version, ids[:5], 0, is_last=False),
        AddState(first.room_id, first.event_id, version, ids[5:], 1),
    ]
    assert view.take(first, given=before)
    records.append(added(first, origin="elsewhere.test"))
    later = [one for one in federation.made if one not in past and one is not first]
    for event in dice.sample(later, len(later)):
        view.take(event)
        records.append(added(event, origin="elsewhere.test"))
    # Then the gap is filled, and what was missing a past comes again.
    for event in past:
        assert view.take(event, is_old=True)
        records.append(added(event, kind="old", origin="elsewhere.test"))
    for event in later:
        assert view.take(event)
        records.append(added(event, origin="elsewhere.test"))

    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db") as house:
        await house.put(*records)

        await is_as_modelled(house, federation.made, view, len(records))


def authorising(federation: Federation, event_ids: Sequence[EventID]) -> list[Event]:
    """Return these events with their auth chains, each after those that it cites."""
    by_id = {one.event_id: one for one in federation.made}
    wanted: set[EventID] = set()
    pending = [federation.made[0].event_id, *event_ids]
    while pending:
        event_id = pending.pop()
        if event_id not in wanted:
            wanted.add(event_id)
            pending.extend(by_id[event_id].auth_event_ids)
    return [one for one in federation.made if one.event_id in wanted]


async def is_as_modelled(house: House, made: list[Event], view: View, inputs: int) -> None:
    """Compare all verdicts, the current state, the latest events and the states before events."""
    room_id = RoomID(made[0].room_id)
    last = InputPosition(0, inputs - 1)
    queries = house.server.queries
    state = await queries.query_state(room_id=room_id, not_before=last)
    stored = await queries.query_events(event_ids=[one.event_id for one in made])
    head = await queries.query_room_head(room_id=room_id, state_keys=[])

    assert len(stored) == len(made)
    assert {one.event.event_id for one in stored if one.is_rejected} == view.rejected
    assert {one.event.event_id for one in stored if one.is_soft_failed} == view.soft_failed
    assert {one.state_tuple: one.event_id for one in state} == view.current
    assert set(head.latest_event_ids) == set(view.latest)
    unseen = view.rejected | view.soft_failed
    redacted = {one.event.event_id for one in stored if one.redacted_because is not None}
    assert redacted - unseen == view.redacted()
    for event in made[1:]:
        before = await queries.query_state(room_id=room_id, before_event_id=event.event_id)
        assert {one.state_tuple: one.event_id for one in before} == view.before[event.event_id]


def test_the_model_makes_what_the_room_server_has_to_tell_apart() -> None:
    views = []
    for seed in range(len(VERSIONS)):
        dice = Random(seed)
        federation = Federation(dice, VERSIONS[seed], STEPS)
        view = View(federation.room.version)
        sent = everything_comes(dice, federation.made, view)
        assert len(sent) > len(federation.made)
        views.append(view)

    assert all(view.rejected for view in views)
    assert any(view.soft_failed for view in views)
    assert any(view.redacted() for view in views)
    assert any(len(view.latest) > 1 for view in views)
