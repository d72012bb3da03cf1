"""Rooms, events and states as one transaction sees them: from memory, else from the database."""

from collections.abc import Collection, Iterable, Mapping

from base.database import Connection
from components.roomserver.memory import Memory
from components.roomserver.state.snapshots import Node, NodeName, SnapshotReader
from components.roomserver.store.events import EventStore
from components.roomserver.store.rooms import RoomStore
from components.roomserver.stored import KnownEvent, Room
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.state_keys import StateKey


class NotInMemory(Exception):
    """The answer needs the database, and the reader has none at hand."""


class RoomReader:
    """Reads rooms through memory. Without a connection it raises `NotInMemory` for the rest."""

    def __init__(self, memory: Memory, connection: Connection | None) -> None:
        self._memory = memory
        self._connection = connection
        self.snapshots: SnapshotReader = SnapshotReader(self)

    @property
    def _event_store(self) -> EventStore:
        if self._connection is None:
            raise NotInMemory
        return EventStore(self._connection)

    @property
    def _room_store(self) -> RoomStore:
        if self._connection is None:
            raise NotInMemory
        return RoomStore(self._connection)

    def room(self, room_id: str) -> Room | None:
        """Return the room, if it is known."""
        room = self._memory.rooms.get(room_id)
        if room is None:
            room = self._room_store.select_rooms([room_id]).get(room_id)
            if room is not None:
                self._memory.rooms[room_id] = room
        return room

    def known_events(self, event_ids: Collection[EventID]) -> dict[EventID, KnownEvent]:
        """Return those of the events that are stored, rejected ones and outliers included."""
        found: dict[EventID, KnownEvent] = {}
        missing: list[EventID] = []
        for event_id in event_ids:
            known = self._at_hand(event_id)
            if known is None:
                missing.append(event_id)
            else:
                found[event_id] = known
        if missing:
            stored = self._event_store.select_events(missing)
            self._memory.events.update(stored)
            found.update(stored)
        return found

    def known_chains(self, event_ids: Collection[EventID], ahead: int) -> dict[EventID, KnownEvent]:
        """Return what `known_events` does, and up to `ahead` events of their auth chains.

        The latter only if the database has to be asked anyway; the nearest come first.
        """
        wanted = set(event_ids)
        if ahead:
            missing = [event_id for event_id in event_ids if self._at_hand(event_id) is None]
            if missing:
                wanted.update(self._event_store.select_auth_chain(missing, ahead))
        return self.known_events(wanted)

    def _at_hand(self, event_id: EventID) -> KnownEvent | None:
        """Return an event that needs no look-up."""
        return self._memory.events.get(event_id)

    def state_events(self, snapshot: NodeName, keys: Iterable[StateKey]) -> dict[StateKey, Event]:
        """Return the events that hold these keys in a snapshot; keys without one are left out."""
        lookup = self.snapshots.lookup
        ids = {key: event_id for key in keys if (event_id := lookup(snapshot, key)) is not None}
        known = self.known_events(ids.values())
        return {key: known[event_id].event for key, event_id in ids.items()}

    def events(self, event_ids: Collection[EventID]) -> Mapping[EventID, Event]:
        """Return the events of those that are stored."""
        return {event_id: one.event for event_id, one in self.known_events(event_ids).items()}

    def get(self, name: NodeName) -> Node:
        """Return a node of a state snapshot (`NodeSource`)."""
        node = self._memory.nodes.get(name)
        return self.get_many([name])[name] if node is None else node

    def get_many(self, names: Collection[NodeName]) -> Mapping[NodeName, Node]:
        """Return nodes of state snapshots (`NodeSource`)."""
        cache = self._memory.nodes
        found = {name: node for name in names if (node := cache.get(name)) is not None}
        missing = [name for name in names if name not in found]
        if missing:
            for name, node in self._room_store.select_nodes(missing).items():
                cache[name] = found[name] = node
        return found
