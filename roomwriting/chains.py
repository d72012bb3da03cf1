"""What the next event of a room is built on, as this process knows it.

Events that are sent at once into one room are chained: each refers to the one before it, which
need not have been processed yet, and sees the state that those before it made. Without that,
twenty senders would make twenty branches. When somebody else writes into the room meanwhile, the
room server is asked again.

When nothing is under way any more, the chain is remembered for the next message, and follows what
OutputRoomEvent tells of the room: messages move its tip, changes of state end it. What it says may
be some milliseconds old: the room server has the last word, and nobody is refused by it alone.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from cachetools import LRUCache

from internalapi.roomserver import InputPosition, RoomHead
from logs.records.room_output import EventAdded
from matrix.event_format import depth_after
from matrix.events import Event
from matrix.hashing import reference_hash
from matrix.identifiers import EventID, RoomID
from matrix.room_versions import RoomVersion, room_version
from matrix.state_keys import StateKey
from matrix.unpadded_base64 import encode_base64

_FEW_LATEST: Final = 10
"""More latest events than these are merged by the room server's choice of them."""


class _Depth(msgspec.Struct):
    depth: int


_decode_depth: Final = msgspec.json.Decoder(_Depth).decode


class Mark(NamedTuple):
    """Where a chain was, to return to when what was built on it is not appended."""

    latest: Sequence[EventID]
    depth: int
    length: int
    state: dict[StateKey, Event | None]


class Chain:
    """The tip of one room, as this process sees it."""

    __slots__ = (
        "depth",
        "in_flight",
        "is_stale",
        "latest",
        "length",
        "position",
        "reference_hashes",
        "room_id",
        "state",
        "version",
    )

    def __init__(self, room_id: RoomID, version: RoomVersion) -> None:
        self.room_id = room_id
        self.version = version
        self.latest: Sequence[EventID] = ()
        self.depth = 1
        self.state: dict[StateKey, Event | None] = {}
        self.reference_hashes: dict[EventID, str] = {}
        self.in_flight = 0
        self.length = 0
        self.is_stale = False
        self.position: InputPosition | None = None

    @classmethod
    def of_head(cls, head: RoomHead, keys: Iterable[StateKey]) -> "Chain":
        """Return the chain that begins at the room server's view of the room."""
        chain = cls(head.room_id, room_version(head.room_version))
        chain.latest = head.latest_event_ids
        chain.depth = head.depth
        chain.learn(head, keys)
        return chain

    def learn(self, head: RoomHead, keys: Iterable[StateKey]) -> None:
        """Take the state of further keys from the room server; what is under way goes first."""
        found = {one.state_tuple: one for one in head.state}
        for key in keys:
            self.state.setdefault(key, found.get(key))
        self.reference_hashes.update(head.reference_hashes)

    def knows(self, keys: Iterable[StateKey]) -> bool:
        """Return whether the state at all of these keys is known here."""
        state = self.state
        return all(key in state for key in keys)

    def stands_at(self, position: InputPosition) -> None:
        """What was built last is appended there: the room server is asked not before it."""
        self.position = position

    def mark(self) -> Mark:
        """Return where the chain is."""
        return Mark(self.latest, self.depth, self.length, self.state)

    def return_to(self, mark: Mark) -> None:
        """Forget what was built since."""
        self.latest, self.depth, self.length, self.state = mark

    def advance(self, event: Event) -> None:
        """Let the next event follow this one."""
        self.latest = (event.event_id,)
        self.depth = depth_after(event.depth, self.version)
        self.length += 1
        if event.state_key is not None:
            # A new dictionary: a mark holds the old one.
            self.state = {**self.state, (event.type, event.state_key): event}
        if self.version.has_event_id_field:
            digest = reference_hash(event.pdu, self.version)
            self.reference_hashes[event.event_id] = encode_base64(digest)

    def follow(self, added: EventAdded) -> bool:
        """Let the next event follow one of somebody else; false where the chain cannot know how."""
        latest = added.latest_event_ids
        # Room versions 1 and 2 refer to events by hashes, too, which the record does not have.
        if added.state_changes or not latest or self.version.has_event_id_field:
            return False
        if len(latest) > _FEW_LATEST:
            return False
        depth = depth_after(_decode_depth(added.pdu).depth, self.version)
        self.depth = depth if len(latest) == 1 else max(self.depth, depth)
        self.latest = [EventID(event_id) for event_id in latest]
        return True


class Chains:
    """The chains of rooms that this process is writing into, or has lately written into."""

    def __init__(self, max_length: int, max_remembered_state: int) -> None:
        self._chains: dict[RoomID, Chain] = {}
        self._resting: LRUCache[RoomID, Chain] = LRUCache(max_remembered_state, getsizeof=_weight)
        self._max_length = max_length

    def get(self, room_id: RoomID) -> Chain | None:
        """Return the chain of a room where events are under way, even a stale one."""
        return self._chains.get(room_id)

    def remembered(self, room_id: RoomID) -> Chain | None:
        """Return the chain of a room, also where nothing is under way."""
        return self._chains.get(room_id) or self._resting.get(room_id)

    def is_resting(self, chain: Chain) -> bool:
        """Return whether the chain is remembered from events that are no longer under way."""
        return self._resting.get(chain.room_id) is chain

    def enter(self, chain: Chain) -> None:
        """An event of this chain is under way: let others build on it."""
        chain.in_flight += 1
        self._resting.pop(chain.room_id, None)
        self._chains[chain.room_id] = chain
        if chain.length >= self._max_length:
            chain.is_stale = True

    def leave(self, chain: Chain) -> None:
        """One event of this chain is no longer under way."""
        chain.in_flight -= 1
        if chain.in_flight == 0 and self._chains.get(chain.room_id) is chain:
            del self._chains[chain.room_id]
            if not chain.is_stale and _weight(chain) <= self._resting.maxsize:
                self._resting[chain.room_id] = chain

    def discard(self, chain: Chain) -> None:
        """Build nothing on this chain any more."""
        chain.is_stale = True
        if self._resting.get(chain.room_id) is chain:
            del self._resting[chain.room_id]

    def forget_state(self, room_id: RoomID) -> None:
        """Something has changed in the room: the next event asks the room server."""
        chain = self.remembered(room_id)
        if chain is not None:
            self.discard(chain)

    def added(self, record: EventAdded, *, is_own: bool) -> None:
        """Follow an event that the room server has added, one of this process or another one."""
        room_id = RoomID(record.room_id)
        chain = self._chains.get(room_id)
        if chain is not None:
            if not (is_own and _stands_alone(record)):
                chain.is_stale = True
            return
        chain = self._resting.get(room_id)
        if chain is not None and not chain.follow(record):
            self.discard(chain)


def _weight(chain: Chain) -> int:
    return 1 + len(chain.state)


def _stands_alone(record: EventAdded) -> bool:
    """Whether nothing came beside the event: no other branch, no change but its own."""
    event_id = record.event_id
    return record.latest_event_ids == [event_id] and all(
        change.event_id == event_id for change in record.state_changes
    )
