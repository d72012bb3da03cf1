"""State resolution: the state of a room where branches of its history meet.

`resolve_state` runs the algorithm of the room version: v1 (room version 1), v2 (2 to 11) or
v2.1 (12). `resolve_conflicts` does so for sets that were compared elsewhere.
"""

from matrix.state_resolution.conflicts import Conflicts, Resolution
from matrix.state_resolution.resolve import resolve_conflicts, resolve_state
from matrix.state_resolution.source import CITED_TYPES, EventSource

__all__ = [
    "CITED_TYPES",
    "Conflicts",
    "EventSource",
    "Resolution",
    "resolve_conflicts",
    "resolve_state",
]
