"""What the room server keeps in memory: rooms, events and state nodes, all bounded.

Only what is committed is here. The processor fills it after each commit; a query reads it
without touching the database as long as everything that it needs is present.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from cachetools import LRUCache

from components.roomserver.settings import RoomServerSettings
from components.roomserver.state.snapshots import Node, NodeName
from components.roomserver.stored import KnownEvent, Room
from matrix.identifiers import EventID

_MEETINGS: Final = 100
"""Rooms of which memory knows what their branches resolve to: mostly a room has one branch."""


class Meeting(msgspec.Struct, frozen=True):
    """What branches resolve to that differ in nothing that authorises events."""

    state: NodeName
    branches: Mapping[NodeName, None]
    """States, the oldest first, whose auth chains hold the same events, and of which each may be
    counted as well, or not: `state` is what they resolve to all the same. It is one of them."""


class Memory:
    """The committed part of the rooms that are in use."""

    def __init__(self, settings: RoomServerSettings) -> None:
        self.rooms: LRUCache[str, Room] = LRUCache(settings.cached_rooms)
        self.events: LRUCache[EventID, KnownEvent] = LRUCache(settings.cached_events)
        self.nodes: LRUCache[NodeName, Node] = LRUCache(settings.cached_state_nodes)

        self.meetings: LRUCache[str, Meeting] = LRUCache(_MEETINGS)

    def clear(self) -> None:
        """Forget everything: another process may have written since."""
        self.rooms.clear()
        self.events.clear()
        self.nodes.clear()
        self.meetings.clear()
