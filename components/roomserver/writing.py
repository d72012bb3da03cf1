"""One batch's changes: seen by the batch itself at once, by others after the commit.

The changes are written with one statement per table at the end of the batch. What is rolled back
leaves no trace in memory.
"""

from collections.abc import Collection, Mapping

from base.database import Connection
from components.roomserver.memory import Meeting, Memory
from components.roomserver.reading import RoomReader
from components.roomserver.state.snapshots import Node, NodeName, SnapshotWriter
from components.roomserver.store.events import EventStore
from components.roomserver.store.rooms import RoomStore
from components.roomserver.stored import KnownEvent, Room
from internalapi.roomserver import RoomMembership
from logs.records.room_input import Transaction
from matrix.identifiers import EventID, RoomID, UserID


class RoomWriter(RoomReader):
    """A reader that also holds the changes of one batch."""

    def __init__(self, memory: Memory, connection: Connection) -> None:
        super().__init__(memory, connection)
        self.states = SnapshotWriter(self)
        self._store = EventStore(connection)
        self._rooms_store = RoomStore(connection)
        self._rooms: dict[str, Room] = {}
        self._added: dict[EventID, KnownEvent] = {}
        self._replaced: dict[EventID, KnownEvent] = {}
        self._nodes: dict[NodeName, Node] = {}
        self._encoded_nodes: dict[NodeName, bytes] = {}
        self._memberships: dict[tuple[str, str], RoomMembership] = {}
        self._transactions: dict[Transaction, EventID] = {}
        self._transactions_before: Mapping[Transaction, EventID] = {}
        self._absent: set[EventID] = set()
        self._meetings: dict[str, Meeting | None] = {}

    def prefetch(
        self, event_ids: Collection[EventID], transactions: Collection[Transaction]
    ) -> None:
        """Look up with one statement which of a batch's events and transactions are known."""
        unknown = {one for one in event_ids if one not in self._memory.events}
        found, self._transactions_before = self._store.select_known(unknown, transactions)
        self._absent = unknown - found

    def room(self, room_id: str) -> Room | None:
        """Return the room as this batch has left it."""
        return self._rooms.get(room_id) or super().room(room_id)

    def set_room(self, room: Room) -> None:
        """Store the room as it is now."""
        self._rooms[room.room_id] = room

    def meeting(self, room_id: str) -> Meeting | None:
        """Return what memory has of where the branches of a room meet."""
        if room_id in self._meetings:
            return self._meetings[room_id]
        return self._memory.meetings.get(room_id)

    def set_meeting(self, room_id: str, meeting: Meeting | None) -> None:
        """Remember where the branches of a room meet, or that it is not known."""
        self._meetings[room_id] = meeting

    def known_event(self, event_id: EventID) -> KnownEvent | None:
        """Return one stored event."""
        if event_id in self._absent and event_id not in self._added:
            return None
        return self.known_events([event_id]).get(event_id)

    def _at_hand(self, event_id: EventID) -> KnownEvent | None:
        return (
            self._added.get(event_id) or self._replaced.get(event_id) or super()._at_hand(event_id)
        )

    def add_event(self, known: KnownEvent) -> None:
        """Store a new event, or a new verdict on one that was stored before."""
        event_id = known.event.event_id
        if event_id in self._added or self.known_event(event_id) is None:
            self._added[event_id] = known
        else:
            self._replaced[event_id] = known

    def transaction_event(self, transaction: Transaction) -> EventID | None:
        """Return the event that a transaction made, in this batch or before."""
        return self._transactions.get(transaction) or self._transactions_before.get(transaction)

    def add_transaction(self, transaction: Transaction, event_id: EventID) -> None:
        """Remember which event a transaction made."""
        self._transactions[transaction] = event_id

    def set_membership(self, membership: RoomMembership) -> None:
        """Store where a user stands now."""
        self._memberships[membership.room_id, membership.user_id] = membership

    def membership(self, room_id: RoomID, user_id: UserID) -> str | None:
        """Return where a user stands in a room; `None` for one who never was in it."""
        changed = self._memberships.get((room_id, user_id))
        found = changed or self._rooms_store.select_membership(room_id, user_id)
        return None if found is None else found.membership

    def set_forgotten(self, room_id: RoomID, user_id: UserID, place: int) -> None:
        """Note at which place of a room a user forgot it."""
        self._rooms_store.upsert_forgotten(room_id, user_id, place)

    def given_state(self, event_id: EventID) -> tuple[NodeName, bool] | None:
        """Return the state that was given for an event, and whether it is complete."""
        return self._rooms_store.select_given_state(event_id)

    def set_given_state(self, event_id: EventID, state: NodeName, *, is_complete: bool) -> None:
        """Store what is known so far of the state before an event."""
        self._rooms_store.upsert_given_state(event_id, state, is_complete=is_complete)

    def waiting_redactions(self, target: EventID) -> list[EventID]:
        """Return the redactions that came before this event."""
        return self._store.select_waiting_redactions([target]).get(target, [])

    def let_redaction_wait(self, target: EventID, redaction: EventID) -> None:
        """Keep a redaction for when its target arrives."""
        self._store.insert_waiting_redaction(target, redaction)

    def forget_waiting_redactions(self, target: EventID) -> None:
        """The target has arrived."""
        self._store.delete_waiting_redactions(target)

    def get(self, name: NodeName) -> Node:
        """Return a node, of this batch or before."""
        node = self._nodes.get(name)
        return super().get(name) if node is None else node

    def get_many(self, names: Collection[NodeName]) -> Mapping[NodeName, Node]:
        """Return nodes, of this batch or before."""
        found = {name: node for name in names if (node := self._nodes.get(name)) is not None}
        rest = [name for name in names if name not in found]
        return {**found, **super().get_many(rest)} if rest else found

    def put(self, name: NodeName, node: Node, encoded: bytes) -> None:
        """Keep a new node."""
        if name not in self._nodes and name not in self._memory.nodes:
            self._nodes[name] = node
            self._encoded_nodes[name] = encoded

    def flush(self, timestamp_ms: int) -> None:
        """Write all changes."""
        self._rooms_store.insert_nodes(self._encoded_nodes)
        self._store.insert_events(list(self._added.values()))
        self._store.insert_auth_edges(self._added.values())
        self._store.update_events(list(self._replaced.values()))
        self._rooms_store.upsert_rooms(self._rooms.values())
        self._rooms_store.upsert_memberships(self._memberships.values())
        self._store.insert_transactions(self._transactions, timestamp_ms)

    def publish(self) -> None:
        """Let everybody see the changes: they are committed."""
        memory = self._memory
        memory.rooms.update(self._rooms)
        # Messages are hardly read again: what the rules need is state.
        memory.events.update({key: one for key, one in self._added.items() if one.event.is_state})
        for event_id, one in self._replaced.items():
            if one.event.is_state:
                memory.events[event_id] = one
            else:
                memory.events.pop(event_id, None)
        memory.nodes.update(self._nodes)
        for room_id, meeting in self._meetings.items():
            if meeting is None:
                memory.meetings.pop(room_id, None)
            else:
                memory.meetings[room_id] = meeting
