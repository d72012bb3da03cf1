"""State resolution over snapshots, from where they differ.

What it costs depends on how much the branches differ, not on how large the room is.
"""

from collections.abc import Iterator, Mapping, Sequence, ValuesView
from typing import Final, NamedTuple

from components.roomserver.state.snapshots import NodeName, SnapshotReader, SnapshotWriter
from matrix.identifiers import EventID
from matrix.room_versions import RoomVersion
from matrix.state_keys import StateKey
from matrix.state_resolution import Conflicts, EventSource, Resolution, resolve_conflicts


class ResolvedSnapshot(NamedTuple):
    """What snapshots resolve to."""

    state: NodeName
    is_plain: bool
    """As `matrix.state_resolution.Resolution.is_plain`."""


def resolve_snapshots(
    states: SnapshotWriter, version: RoomVersion, snapshots: Sequence[NodeName], source: EventSource
) -> ResolvedSnapshot:
    """Return the snapshot that these, at least one and all different, resolve to."""
    first, *others = snapshots
    conflicts = _conflicts(states, first, others)
    resolved, is_plain = resolve_conflicts(version, conflicts, source)
    result = snapshots[_nearest(conflicts, resolved)]
    # In a fixed order, so that what is written is the same whenever it is written.
    for key in sorted(conflicts.conflicted.keys() | resolved.keys()):
        result = states.assign(result, key, resolved.get(key))
    return ResolvedSnapshot(result, is_plain)


def resolve_key(
    states: SnapshotReader,
    version: RoomVersion,
    snapshot: NodeName,
    holders_of: tuple[StateKey, Sequence[EventID]],
    source: EventSource,
) -> Resolution:
    """Return what snapshots resolve to that differ at one key: each has one of its events."""
    key, event_ids = holders_of
    holders = {event_id: 1 << index for index, event_id in enumerate(event_ids)}
    conflicted = {key: holders}
    conflicts = Conflicts(
        _Unconflicted(states, snapshot, conflicted), conflicted, (1 << len(event_ids)) - 1
    )
    return resolve_conflicts(version, conflicts, source)


def _nearest(conflicts: Conflicts, resolved: Mapping[StateKey, EventID]) -> int:
    """Return the index of the snapshot in which the fewest keys have to be changed."""
    count = conflicts.all_sets.bit_length()
    same = [0] * count
    for key, holders in conflicts.conflicted.items():
        event_id = resolved.get(key)
        if event_id is None:
            agreeing = conflicts.all_sets & ~sum(holders.values())
        else:
            agreeing = holders.get(event_id, 0)
        for index in range(count):
            same[index] += agreeing >> index & 1
    return same.index(max(same))


def _conflicts(states: SnapshotReader, first: NodeName, others: Sequence[NodeName]) -> Conflicts:
    differences = [states.difference(first, other) for other in others]
    in_first = {key: pair[0] for different in differences for key, pair in different.items()}
    conflicted: dict[StateKey, dict[EventID, int]] = {}
    for key, held in in_first.items():
        holders = conflicted[key] = {} if held is None else {held: 1}
        for index, different in enumerate(differences, 1):
            event_id = different[key][1] if key in different else held
            if event_id is not None:
                holders[event_id] = holders.get(event_id, 0) | 1 << index
    all_sets = (1 << len(others) + 1) - 1
    return Conflicts(_Unconflicted(states, first, conflicted), conflicted, all_sets)


class _Unconflicted(Mapping[StateKey, EventID]):
    """A snapshot without the keys that are in conflict; looking one up reads few nodes."""

    def __init__(
        self, states: SnapshotReader, snapshot: NodeName, conflicted: Mapping[StateKey, object]
    ) -> None:
        self._states: Final = states
        self._snapshot: Final = snapshot
        self._conflicted: Final = conflicted

    def __getitem__(self, key: StateKey) -> EventID:
        event_id = None
        if key not in self._conflicted:
            event_id = self._states.lookup(self._snapshot, key)
        if event_id is None:
            raise KeyError(key)
        return event_id

    def __iter__(self) -> Iterator[StateKey]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def values(self) -> ValuesView[EventID]:
        """Return all events at once: one after another would take a lookup each."""
        return self._entries().values()

    def _entries(self) -> dict[StateKey, EventID]:
        entries = self._states.items(self._snapshot)
        return {key: one for key, one in entries.items() if key not in self._conflicted}
