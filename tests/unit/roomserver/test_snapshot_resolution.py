"""State resolution over snapshots: what it returns, and that a large room costs no more."""

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given

from components.roomserver.state.resolution import resolve_snapshots
from components.roomserver.state.snapshots import Node, NodeName, SnapshotWriter
from matrix.identifiers import EventID
from matrix.state_keys import StateKey
from matrix.state_resolution import resolve_state
from tests.unit.matrix.rooms import ALICE, ALL_VERSIONS, BOB, Branch
from tests.unit.matrix.test_state_resolution_properties import History, histories


class CountedNodes:
    """Keeps nodes, and counts how often one is read."""

    def __init__(self) -> None:
        self._nodes: dict[NodeName, Node] = {}
        self.read = 0

    def get(self, name: NodeName) -> Node:
        self.read += 1
        return self._nodes[name]

    def get_many(self, names: Collection[NodeName]) -> Mapping[NodeName, Node]:
        return {name: self.get(name) for name in names}

    def put(self, name: NodeName, node: Node, encoded: bytes) -> None:
        del encoded
        self._nodes[name] = node


@given(histories(ALL_VERSIONS))
def test_snapshots_resolve_to_the_state_that_their_maps_resolve_to(history: History) -> None:
    states = SnapshotWriter(CountedNodes())
    version, room = history.room.version, history.room

    resolved = resolve_snapshots(
        states, version, sorted({states.of(one) for one in history.sets}), room
    ).state

    assert states.items(resolved) == resolve_state(version, history.sets, room)
    assert resolved == states.of(states.items(resolved))


def nodes_read(version: str, members: int) -> int:
    """Return how many nodes are read where two branches of a room with two topics meet."""
    left = Branch.with_alice(version).open_to(BOB)
    left.power_levels(users={BOB: 50})
    right = left.fork()
    left.topic(ALICE, "left")
    right.topic(BOB, "right")
    others: dict[StateKey, EventID] = {
        ("m.room.member", f"@user{number}:three.example"): EventID(f"${number:043}")
        for number in range(members)
    }
    nodes = CountedNodes()
    states = SnapshotWriter(nodes)
    snapshots = [states.of({**others, **branch.ids}) for branch in (left, right)]

    resolved = resolve_snapshots(states, left.room.version, snapshots, left.room).state

    read = nodes.read
    assert states.lookup(resolved, ("m.room.topic", "")) == right.ids["m.room.topic", ""]
    return read


@pytest.mark.parametrize("version", ["2", "11", "12"])
def test_a_fork_of_a_large_room_reads_few_nodes(version: str) -> None:
    # A lookup reads one node for each level of the trie: about log8 of the members.
    assert nodes_read(version, 5000) < 6 * nodes_read(version, 5)
