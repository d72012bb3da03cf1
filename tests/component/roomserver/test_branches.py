"""Branches of a room: after each event the state is what all of them resolve to.

More examples: `XYLEM_ROOM_EXAMPLES=500`.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from components.roomserver.settings import RoomServerSettings
from internalapi.roomserver import InputPosition
from logs.records.room_output import EventAdded
from matrix.events import Event
from matrix.identifiers import EventID, RoomID
from matrix.state_keys import POWER_LEVELS
from tests.component.roomserver.counting import counted_reads
from tests.component.roomserver.room_model import View
from tests.component.roomserver.story import ALICE, BOB, CHARLIE, Room, added, running_house

EXAMPLES = int(os.environ.get("XYLEM_ROOM_EXAMPLES", "12"))
VERSIONS = ("1", "2", "6", "11", "12")
STEPS = 60
MOST_BRANCHES = 15
"""Fewer than the room server counts each by itself."""
ELSEWHERE = "elsewhere.test"


class Branching:
    """A room whose users write on whatever branch they like, at whatever time they say it is."""

    def __init__(self, dice: Random, version: str, *, authorising: float) -> None:
        """Take how many of the events authorise others."""
        self.dice = dice
        self.authorising = authorising
        self.room = Room(version)
        self.view = View(self.room.version)
        self.beginning = self.room.beginning()
        for event in self.beginning:
            assert self.view.take(event)

    def next(self) -> Event:
        """Return one event more."""
        dice, view = self.dice, self.view
        after = self._after()
        state = view.resolve([view.after[one.event_id] for one in after])
        sender = dice.choice([ALICE, BOB])
        kind, content, state_key = self._draft()
        event = self.room.build(
            kind,
            content,
            sender=sender,
            state_key=CHARLIE if kind == "m.room.member" else state_key,
            after=after,
            state={key: view.events[one] for key, one in state.items()},
            origin_server_ts=dice.choice([None, dice.randint(1, 100)]),
        )
        assert view.take(event)
        return event

    def _after(self) -> Sequence[Event]:
        view, dice = self.view, self.dice
        latest = [view.events[one] for one in view.latest]
        if len(latest) >= MOST_BRANCHES:
            return latest
        known = [one for one in view.events.values() if one.event_id not in view.rejected]
        if not self.authorising:
            # Before that, not all is there that authorises events.
            known = known[len(self.beginning) - 1 :]
        chosen = dice.choice([latest, latest, known[-15:], known])
        return dice.sample(chosen, min(dice.choice([1, 1, 1, 2]), len(chosen)))

    def _draft(self) -> tuple[str, dict[str, Any], str | None]:
        dice = self.dice
        if dice.random() < self.authorising:
            levels = dict(self.room.state[POWER_LEVELS].content)
            changed = {**levels, "state_default": dice.choice([0, 50])}
            return dice.choice(
                [
                    ("m.room.power_levels", changed, ""),
                    ("m.room.member", {"membership": dice.choice(["invite", "leave"])}, ""),
                ]
            )
        if dice.random() < 0.2:
            return "m.room.message", {"body": str(dice.random())}, None
        return "org.example", {"x": dice.randint(1, 10**9)}, dice.choice("abcdefgh")


@pytest.mark.parametrize("seed", range(EXAMPLES))
async def test_after_each_event_the_state_is_that_of_all_branches(
    tmp_path: Path, seed: int
) -> None:
    dice = Random(seed)
    version, authorising = VERSIONS[seed % len(VERSIONS)], dice.choice([0, 0, 0.02, 0.1])
    branching = Branching(dice, version, authorising=authorising)
    settings = RoomServerSettings(
        cached_events=dice.choice([1, 10_000]), cached_state_nodes=dice.choice([1, 20_000])
    )
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db", settings) as house:
        await house.put(*map(added, branching.beginning))
        for number in range(len(branching.beginning), len(branching.beginning) + STEPS):
            event = branching.next()
            await house.put(added(event, origin=ELSEWHERE))

            state = await house.server.queries.query_state(
                room_id=branching.room.room_id, not_before=InputPosition(0, number)
            )
            view = branching.view
            assert {one.state_tuple: one.event_id for one in state} == view.current, event


def falling_apart(dice: Random) -> list[list[Event]]:
    """Return events of a room with more branches than are counted each by itself, in batches."""
    room = Room(dice.choice(["6", "11", "12"]))
    batches = [room.beginning()]
    holders = {batches[0][-1].event_id: dict(room.state)}
    written, ends = [batches[0][-1]], [batches[0][-1]]
    for _ in range(120):
        after = dice.choice([*ends[-5:], *dice.sample(written, min(5, len(written)))])
        state = holders[after.event_id]
        key = None if dice.random() < 0.2 else str(dice.randint(1, 30))
        event = room.build(
            "org.example",
            {"x": dice.randint(1, 10**9)},
            state_key=key,
            after=[after],
            state=state,
            origin_server_ts=dice.choice([None, dice.randint(1, 100)]),
        )
        holders[event.event_id] = state if key is None else {**state, event.state_tuple: event}
        written.append(event)
        ends = [*(one for one in ends if one is not after), event]
        if dice.random() < 0.3:
            batches.append([])
        batches[-1].append(event)
    return batches


async def states_after(
    folder: Path, batches: Sequence[list[Event]], *, restarts: bool
) -> list[set[EventID]]:
    """Return the state of the room after each batch, of a server that may start again each time."""
    room_id, place, states = RoomID(batches[0][1].room_id), 0, []
    for run in [[one] for one in batches] if restarts else [batches]:
        async with running_house(folder, f"sqlite:///{folder}/db") as house:
            for batch in run:
                await house.put(*(added(event, origin=ELSEWHERE) for event in batch))
                place += len(batch)
                state = await house.server.queries.query_state(
                    room_id=room_id, not_before=InputPosition(0, place - 1)
                )
                states.append({one.event_id for one in state})
    return states


@pytest.mark.parametrize("seed", range(EXAMPLES // 4))
async def test_what_many_branches_resolve_to_does_not_depend_on_what_is_remembered(
    tmp_path: Path, seed: int
) -> None:
    batches = falling_apart(Random(seed))
    going_on, starting_again = tmp_path / "on", tmp_path / "again"
    going_on.mkdir()
    starting_again.mkdir()

    expected = await states_after(starting_again, batches, restarts=True)

    assert await states_after(going_on, batches, restarts=False) == expected


async def reads_of_next_event(folder: Path, branches: int) -> int:
    """Return how often a room with so many branches is read for one more of them."""
    # Nothing stays in memory: whatever is compared is read.
    settings = RoomServerSettings(cached_state_nodes=1)
    async with running_house(folder, f"sqlite:///{folder}/db", settings) as house:
        room = Room("11")
        await house.add(*room.beginning())
        fork, state = room.latest, dict(room.state)

        def branch(number: int) -> Event:
            return room.build("org.example", {}, state_key=str(number), after=fork, state=state)

        await house.add(*map(branch, range(branches)), origin=ELSEWHERE)
        with counted_reads() as statements:
            [told] = await house.add(branch(branches), origin=ELSEWHERE)

    assert isinstance(told, EventAdded)
    return len(statements)


async def test_one_branch_more_costs_the_same_however_many_there_are(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()

    reads = [await reads_of_next_event(few, 15), await reads_of_next_event(many, 150)]

    # A trie of ten times as many keys is a level deeper.
    assert reads[1] < reads[0] * 2
