"""What holds of state resolution in any room, however its history has forked."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.auth_rules import check_auth
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.room_versions import ROOM_VERSIONS
from matrix.state_keys import POWER_LEVELS, StateKey, StateMap
from matrix.state_resolution import resolve_state
from matrix.state_resolution.auth_difference import auth_difference
from matrix.state_resolution.conflicted_subgraph import conflicted_subgraph
from matrix.state_resolution.conflicts import separate
from matrix.state_resolution.source import LoadedEvents
from tests.unit.matrix.plain_resolution import PlainResolution
from tests.unit.matrix.rooms import (
    ALICE,
    ALL_VERSIONS,
    BOB,
    CHARLIE,
    MALLORY,
    Branch,
    Room,
    versions,
)

USERS = (ALICE, BOB, CHARLIE, MALLORY)
USER = st.sampled_from(USERS)
LEVEL = st.sampled_from([0, 50, 100])

MEMBER = st.tuples(
    USER,
    st.just("m.room.member"),
    st.sampled_from(["join", "join", "leave", "ban", "invite"]).map(lambda m: {"membership": m}),
    USER,
)
POWER = st.tuples(
    USER,
    st.just("m.room.power_levels"),
    st.fixed_dictionaries(
        {"users": st.fixed_dictionaries({BOB: LEVEL, CHARLIE: LEVEL})},
        optional={"invite": LEVEL, "users_default": st.just(0)},
    ),
    st.just(""),
)
RULE = st.tuples(
    USER,
    st.just("m.room.join_rules"),
    st.sampled_from(["public", "invite"]).map(lambda rule: {"join_rule": rule}),
    st.just(""),
)
OTHER = st.tuples(
    USER,
    st.just("m.room.topic"),
    st.fixed_dictionaries({"topic": st.just("")}),
    st.just(""),
)
ACTION: st.SearchStrategy[Any] = st.one_of(MEMBER, MEMBER, POWER, RULE, OTHER)
STEP = st.tuples(
    st.integers(0, 3), ACTION, st.sampled_from(["go on", "go on", "fork", "meet"]), st.booleans()
)


class History:
    """A room whose branches are grown, forked and merged by random steps."""

    def __init__(self, version: str, steps: list[Any]) -> None:
        trunk = Branch.with_alice(version).open_to(BOB, CHARLIE)
        trunk.power_levels(users={BOB: 50})
        self.room = trunk.room
        self.branches = [trunk]
        for where, (sender, event_type, content, state_key), then, late in steps:
            branch = self.branches[where % len(self.branches)]
            if then == "fork" and len(self.branches) < 4:
                self.branches.append(branch.fork())
            if event_type == "m.room.power_levels":
                content = branch.with_creator(content)  # noqa: PLW2901 - for this version
            event = branch.draft(sender, event_type, content, state_key, ts=1 if late else None)
            try:
                check_auth(event, branch.state)
            except AuthRejected:
                del self.room.known[event.event_id]
                continue
            branch.add(event)
            if then == "meet":
                met = resolve_state(self.room.version, self.sets, self.room)
                branch.state = {key: self.room.known[event_id] for key, event_id in met.items()}

    @property
    def sets(self) -> list[dict[StateKey, EventID]]:
        return [branch.ids for branch in self.branches]


def histories(of_versions: tuple[str, ...]) -> st.SearchStrategy[History]:
    return st.builds(History, st.sampled_from(of_versions), st.lists(STEP, min_size=4, max_size=25))


def loaded(history: History) -> LoadedEvents:
    history.room.loaded.clear()
    return LoadedEvents(history.room)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_nothing_resolves_to_nothing(version: str) -> None:
    room = Branch.new(version).room

    assert resolve_state(ROOM_VERSIONS[version], [], room) == {}
    assert resolve_state(ROOM_VERSIONS[version], [{}, {}], room) == {}


@given(histories(ALL_VERSIONS))
def test_one_state_resolves_to_itself(history: History) -> None:
    for each in history.sets:
        resolved = resolve_state(history.room.version, [each], history.room)
        assert resolved == each
        assert resolved is not each


@given(histories(ALL_VERSIONS), st.randoms(use_true_random=False))
def test_the_order_of_states_and_of_their_keys_does_not_matter(
    history: History, random: Any
) -> None:
    sets = history.sets
    expected = resolve_state(history.room.version, sets, history.room)

    shuffled: list[StateMap] = []
    for each in [*sets, sets[0]]:
        items = list(each.items())
        random.shuffle(items)
        shuffled.append(dict(items))
    random.shuffle(shuffled)

    assert resolve_state(history.room.version, shuffled, history.room) == expected


@given(histories(ALL_VERSIONS))
def test_what_all_agree_on_stays_and_nothing_comes_from_nowhere(history: History) -> None:
    sets = history.sets
    resolved = resolve_state(history.room.version, sets, history.room)

    for key, event_id in resolved.items():
        event = history.room.known[event_id]
        assert (event.type, event.state_key) == key
    for key in set.intersection(*(set(each) for each in sets)):
        if len({each[key] for each in sets}) == 1:
            assert resolved[key] == sets[0][key]


@given(histories(ALL_VERSIONS))
def test_each_event_is_loaded_once(history: History) -> None:
    history.room.loaded.clear()
    resolve_state(history.room.version, history.sets, history.room)

    assert len(history.room.loaded) == len(set(history.room.loaded))


@settings(max_examples=300)
@given(histories(versions(2)))
def test_the_result_is_that_of_the_specification_word_by_word(history: History) -> None:
    sets = history.sets

    assert (
        resolve_state(history.room.version, sets, history.room)
        == PlainResolution(history.room, sets).resolve()
    )


@given(histories(versions(2)))
def test_the_auth_difference_is_that_of_the_whole_auth_chains(history: History) -> None:
    sets = history.sets
    unconflicted, conflicted, all_sets = separate(sets)
    seeds = {event_id: held for each in conflicted.values() for event_id, held in each.items()}
    plain = PlainResolution(history.room, sets)

    found = auth_difference(seeds, unconflicted, all_sets, loaded(history))

    assert unconflicted == plain.unconflicted
    assert set(seeds) == plain.conflicted
    assert found | set(seeds) == plain.auth_difference() | plain.conflicted


@given(histories(versions(2)))
def test_the_conflicted_subgraph_is_made_of_all_paths(history: History) -> None:
    plain = PlainResolution(history.room, history.sets)

    found = conflicted_subgraph(plain.conflicted, loaded(history))

    assert found | plain.conflicted == plain.subgraph()


@given(histories(ALL_VERSIONS))
def test_a_rejected_event_is_rejected_in_every_replay(history: History) -> None:
    branch = history.branches[0]
    for sender, target in pairwise(USERS):
        event = branch.draft_member(sender, target, "ban")
        verdicts = set()
        for state in (branch.state, dict(reversed(branch.state.items()))):
            try:
                check_auth(event, state)
                verdicts.add("")
            except AuthRejected as refusal:
                verdicts.add(refusal.message)
        assert len(verdicts) == 1


def test_a_long_chain_of_power_levels_takes_no_recursion() -> None:
    left = Branch.with_alice("11")
    left.power_levels(users={})
    for number in range(1500):
        left.power_levels(users={}, kick=number % 50)
    right = left.fork()
    stale = left.fork()
    chain = [event for event in left.room.known.values() if event.type == "m.room.power_levels"]
    stale.state["m.room.power_levels", ""] = chain[0]
    assert all(later.auth_event_ids[1] == earlier.event_id for earlier, later in pairwise(chain))
    left.topic(ALICE, "left")
    right.topic(ALICE, "right")
    stale.send(ALICE, "m.room.topic", {"topic": "stale"}, "", ts=1)

    resolved = resolve_state(left.room.version, [left.ids, right.ids, stale.ids], left.room)

    assert resolved["m.room.power_levels", ""] == chain[-1].event_id
    assert resolved["m.room.topic", ""] == right.ids["m.room.topic", ""]


class FarSighted:
    """A source of events that hands out as much of their auth chains as may come along."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.lookups = 0

    def events(self, event_ids: Collection[EventID], ahead: int) -> Mapping[EventID, Event]:
        self.lookups += 1
        found = {event_id: self._room.known[event_id] for event_id in event_ids}
        level = list(found.values())
        while level:
            cited = dict.fromkeys(one for event in level for one in event.auth_event_ids)
            further = [one for one in cited if one not in found][:ahead]
            ahead -= len(further)
            level = [self._room.known[one] for one in further]
            found.update((event.event_id, event) for event in level)
        return found

    def is_rejected(self, event_id: EventID) -> bool:
        return self._room.is_rejected(event_id)


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_long_auth_chain_takes_few_lookups(version: str) -> None:
    left = Branch.with_alice(version)
    left.power_levels(users={})
    stale = left.fork()
    for number in range(3000):
        left.power_levels(users={}, kick=number % 50)
    right = left.fork()
    left.topic(ALICE, "left")
    right.power_levels(users={}, kick=7)
    # Beside the mainline: where it attaches is known only at the chain's end.
    stale.topic(ALICE, "stale", ts=1)
    stale.state[POWER_LEVELS] = left.state[POWER_LEVELS]
    sets = [left.ids, right.ids, stale.ids]
    source = FarSighted(left.room)

    resolved = resolve_state(left.room.version, sets, source)

    assert resolved == resolve_state(left.room.version, sets, left.room)
    assert source.lookups < 30
