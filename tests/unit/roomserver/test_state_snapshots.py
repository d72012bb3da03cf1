"""State snapshots: a hash trie behaves as a map, shares what is equal, and stays small."""

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from components.roomserver.state.snapshots import (
    EMPTY,
    Node,
    NodeName,
    SnapshotWriter,
    decode_node,
)
from matrix.identifiers import EventID
from matrix.state_keys import StateKey


class NodesInMemory:
    """Keeps nodes in their stored form, as a database does."""

    def __init__(self) -> None:
        self.encoded: dict[NodeName, bytes] = {}

    def get(self, name: NodeName) -> Node:
        return decode_node(self.encoded[name])

    def get_many(self, names: Collection[NodeName]) -> Mapping[NodeName, Node]:
        return {name: self.get(name) for name in names}

    def put(self, name: NodeName, node: Node, encoded: bytes) -> None:
        assert decode_node(encoded) == node
        self.encoded[name] = encoded


state_keys = st.tuples(st.sampled_from(["m.room.member", "m.room.name", "x"]), st.text(max_size=4))
event_ids = st.integers(0, 50).map(lambda number: EventID(f"${number}"))
states = st.dictionaries(state_keys, event_ids, max_size=60)
changes = st.lists(st.tuples(state_keys, st.none() | event_ids), max_size=60)


def applied(
    writer: SnapshotWriter, before: NodeName, steps: list[tuple[StateKey, EventID | None]]
) -> NodeName:
    for key, event_id in steps:
        before = writer.assign(before, key, event_id)
    return before


@given(states, changes)
def test_a_snapshot_holds_what_was_assigned(
    state: dict[StateKey, EventID], steps: list[tuple[StateKey, EventID | None]]
) -> None:
    writer = SnapshotWriter(NodesInMemory())
    snapshot = applied(writer, writer.of(state), steps)
    expected = dict(state)
    for key, event_id in steps:
        if event_id is None:
            expected.pop(key, None)
        else:
            expected[key] = event_id
    assert writer.items(snapshot) == expected
    assert all(writer.lookup(snapshot, key) == value for key, value in expected.items())
    assert writer.lookup(snapshot, ("m.absent", "")) is None


@given(states, changes)
def test_equal_states_have_equal_names_whichever_way_they_came_about(
    state: dict[StateKey, EventID], steps: list[tuple[StateKey, EventID | None]]
) -> None:
    writer = SnapshotWriter(NodesInMemory())
    snapshot = applied(writer, writer.of(state), steps)
    assert snapshot == writer.of(writer.items(snapshot))


@given(states, states)
def test_the_difference_of_two_snapshots_is_that_of_their_maps(
    before: dict[StateKey, EventID], after: dict[StateKey, EventID]
) -> None:
    writer = SnapshotWriter(NodesInMemory())
    expected = {
        key: (before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
    assert writer.difference(writer.of(before), writer.of(after)) == expected


def test_the_state_without_entries_needs_no_node() -> None:
    nodes = NodesInMemory()
    writer = SnapshotWriter(nodes)
    one = writer.assign(EMPTY, ("m.room.name", ""), EventID("$a"))
    assert writer.assign(one, ("m.room.name", ""), None) == EMPTY
    assert writer.of({}) == EMPTY
    assert writer.items(EMPTY) == {}


def test_one_change_of_ten_thousand_entries_stores_less_than_two_kilobytes() -> None:
    nodes = NodesInMemory()
    writer = SnapshotWriter(nodes)
    members = {
        ("m.room.member", f"@user{number}:example.org"): EventID(f"${number:043}")
        for number in range(10_000)
    }
    snapshot = writer.of(members)
    worst = 0
    for number in range(0, 10_000, 97):
        before = sum(map(len, nodes.encoded.values()))
        key = ("m.room.member", f"@user{number}:example.org")
        writer.assign(snapshot, key, EventID(f"$changed{number:036}"))
        worst = max(worst, sum(map(len, nodes.encoded.values())) - before)
    assert worst < 2048
