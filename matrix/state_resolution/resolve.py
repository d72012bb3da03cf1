"""The choice of the algorithm, and the case that needs none."""

from collections.abc import Sequence

from matrix.identifiers import EventID
from matrix.room_versions import RoomVersion, StateResolution
from matrix.state_keys import StateKey, StateMap
from matrix.state_resolution.conflicts import Conflicts, Resolution, separate
from matrix.state_resolution.source import EventSource
from matrix.state_resolution.v1 import resolve_v1
from matrix.state_resolution.v2 import resolve_v2


def resolve_state(
    version: RoomVersion, state_sets: Sequence[StateMap], source: EventSource
) -> dict[StateKey, EventID]:
    """Return the state that results where branches with these states meet.

    Neither the order of the sets nor equal ones among them change the result. Without sets it
    is empty; with one, or with equal ones, it is a copy and nothing is loaded. Otherwise the
    cost is that of comparing the sets, plus what `resolve_v1` and `resolve_v2` say.

    Events that `source` does not know count as not allowed: whoever resolves should have
    fetched the state and its auth chain before.
    """
    distinct: list[StateMap] = []
    for state_set in state_sets:
        if state_set not in distinct:
            distinct.append(state_set)
    if len(distinct) <= 1:
        return dict(distinct[0]) if distinct else {}
    conflicts = separate(distinct)
    return {**conflicts.unconflicted, **resolve_conflicts(version, conflicts, source).decided}


def resolve_conflicts(
    version: RoomVersion, conflicts: Conflicts, source: EventSource
) -> Resolution:
    """Return what the resolved state has besides the unconflicted state, on which it is built.

    Conflicted keys that are not in the result are not in the resolved state; the result may have
    keys that are in none of the sets. The unconflicted state is asked for single keys, and gone
    through only if an event is truly in the auth difference.
    """
    if version.state_resolution is StateResolution.V1:
        return resolve_v1(conflicts, source)
    return resolve_v2(conflicts, source, subgraph=version.state_resolution is StateResolution.V2_1)
