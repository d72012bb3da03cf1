"""What state sets agree on, and what not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matrix.identifiers import EventID
from matrix.state_keys import StateKey, StateMap


class Conflicts(NamedTuple):
    """State sets taken apart."""

    unconflicted: StateMap
    """What all sets hold, and hold alike: for looking few keys up, it may be large."""
    conflicted: Mapping[StateKey, Mapping[EventID, int]]
    """Every other key, with its events, and which sets hold each: bit i stands for set i."""
    all_sets: int
    """The bits of all sets."""


class Resolution(NamedTuple):
    """What comes of the conflicts."""

    decided: dict[StateKey, EventID]
    """What the resolved state has besides the unconflicted state."""
    is_plain: bool
    """Whether nothing was sorted or checked that could authorise an event, and the auth chains of
    all sets and of the resolved state hold the same events. Then what was decided of one key had
    no part in any other."""


def separate(state_sets: Sequence[StateMap]) -> Conflicts:
    """Return what these sets, at least one, agree on and where they differ.

    Takes time proportional to the sum of their sizes, and loads nothing.
    """
    first = state_sets[0]
    differing: set[StateKey] = set()
    for other in state_sets[1:]:
        differing.update(key for key, value in other.items() if first.get(key) != value)
        differing.update(first.keys() - other.keys())
    unconflicted = dict(first)
    conflicted: dict[StateKey, dict[EventID, int]] = {}
    for key in differing:
        unconflicted.pop(key, None)
        holders: dict[EventID, int] = {}
        for index, state_set in enumerate(state_sets):
            event_id = state_set.get(key)
            if event_id is not None:
                holders[event_id] = holders.get(event_id, 0) | 1 << index
        conflicted[key] = holders
    return Conflicts(unconflicted, conflicted, (1 << len(state_sets)) - 1)
