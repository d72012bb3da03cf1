"""The newest events, kept in memory so that a woken long poll needs no database."""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from sys import intern
from typing import Final

from base.metrics import Family, Reading
from components.syncapi.room_event import CHANGES_OTHERS, RoomEvent

_OVERHEAD_BYTES: Final = 750
_NEVER: Final = -1

RECENT_BYTES: Final = Family(
    "xylem_syncapi_recent_bytes", "gauge", "Size of the newest events kept in memory."
)
FAMILIES: Final = (RECENT_BYTES,)


class RecentRoom:
    """The newest events of one room."""

    __slots__ = (
        "events",
        "fragment",
        "last_order",
        "members_moved",
        "partition",
        "rewritten",
        "room_id",
        "state_changed_outside",
        "summary_changed",
    )

    def __init__(self, room_id: str, partition: int) -> None:
        self.room_id: Final = room_id
        self.partition: Final = partition
        self.events: Final[deque[RoomEvent]] = deque()
        self.last_order = _NEVER
        self.members_moved = _NEVER
        """The order of the last change that made somebody's membership another one."""
        self.summary_changed = _NEVER
        """The order of the last change of a membership, or of what names the room."""
        self.state_changed_outside = _NEVER
        """The order of the last change of state by other events than the timeline's own."""
        self.rewritten = _NEVER
        """The order of the last change of events that were there before."""
        self.fragment: tuple[int, int, str, int, bytes] | None = None
        """The room's part of an answer, as it is for everybody who needs the same events: their
        first and last order, the name of its state, when it was made (ms), and its bytes."""

    def since(self, order: int) -> list[RoomEvent]:
        """Return the events at or after this order, oldest first."""
        found: list[RoomEvent] = []
        for event in reversed(self.events):
            if event.order < order:
                break
            found.append(event)
        found.reverse()
        return found

    def count_since(self, order: int, most: int) -> int:
        """Return how many events are at or after this order; not much more than `most`."""
        count = 0
        for event in reversed(self.events):
            if event.order < order or count > most:
                break
            count += 1
        return count


class RecentRooms:
    """The rooms that changed last, per partition, back to a floor which is the same for all."""

    def __init__(self, floors: list[int], max_bytes: int) -> None:
        self._floors: Final = floors
        self._max_bytes: Final = max_bytes
        self._bytes = 0
        self._rooms: Final[list[OrderedDict[str, RecentRoom]]] = [OrderedDict() for _ in floors]
        self._arrivals: Final[deque[tuple[RecentRoom, int, int]]] = deque()

    def readings(self) -> Iterator[Reading]:
        """Give how much is in memory, for metrics."""
        yield Reading(RECENT_BYTES, (), self._bytes)

    def reaches(self, since: tuple[int, ...]) -> bool:
        """Whether everything from this position on is in memory."""
        return all(floor <= order for floor, order in zip(self._floors, since, strict=True))

    def covers(self, partition: int, order: int) -> bool:
        """Whether everything of this partition from this order on is in memory."""
        return self._floors[partition] <= order

    def get(self, partition: int, room_id: str) -> RecentRoom | None:
        """Return what is known of a room; None where nothing recent is."""
        return self._rooms[partition].get(room_id)

    def changed_since(self, since: tuple[int, ...]) -> Iterator[RecentRoom]:
        """Give the rooms that changed at or after this position, the newest change first."""
        for rooms, order in zip(self._rooms, since, strict=True):
            for room in reversed(rooms.values()):
                if room.last_order < order:
                    break
                yield room

    def changed_among(
        self,
        since: tuple[int, ...],
        room_ids: Collection[str],
        partition_of: Callable[[str], int],
    ) -> Iterable[RecentRoom]:
        """Return the rooms that changed at or after this position, perhaps others too.

        All of `room_ids` are among them that did: the shorter of two lists is gone through.
        """
        most = len(room_ids)
        changed: list[RecentRoom] = []
        for room in self.changed_since(since):
            changed.append(room)
            if len(changed) > most:
                break
        else:
            return changed
        some = (self.get(partition_of(room_id), room_id) for room_id in room_ids)
        return [
            room for room in some if room is not None and room.last_order >= since[room.partition]
        ]

    def touch(self, partition: int, room_id: str, order: int) -> RecentRoom:
        """Note that something in a room changed at this order, the newest of its partition."""
        room = self._rooms[partition].get(room_id)
        if room is not None and room.last_order == order:
            return room
        return self._arrive(partition, room_id, order, 0)

    def add(self, partition: int, event: RoomEvent) -> None:
        """Put a new event at the end of its room."""
        size = len(event.json) + len(event.unsigned)
        room = self._arrive(partition, event.room_id, event.order, size)
        # Each record brings words of its own: those that many events have are kept once.
        event.room_id = room.room_id
        event.type, event.sender = intern(event.type), intern(event.sender)
        event.history_visibility = intern(event.history_visibility)
        room.events.append(event)
        if event.state_effect == CHANGES_OTHERS:
            room.state_changed_outside = event.order

    def change_state_outside(self, partition: int, room_id: str, order: int) -> None:
        """Note that a room's state changed at this order without an event in the timeline."""
        self.touch(partition, room_id, order).state_changed_outside = order

    def _arrive(self, partition: int, room_id: str, order: int, size: int) -> RecentRoom:
        rooms = self._rooms[partition]
        room = rooms.get(room_id)
        if room is None:
            room = rooms[room_id] = RecentRoom(room_id, partition)
        else:
            rooms.move_to_end(room_id)
        room.last_order = order
        size += _OVERHEAD_BYTES
        self._arrivals.append((room, order, size))
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop_oldest()
        return room

    def _drop_oldest(self) -> None:
        room, order, size = self._arrivals.popleft()
        self._bytes -= size
        self._floors[room.partition] = order + 1
        if room.events and room.events[0].order == order:
            room.events.popleft()
        if room.last_order == order:
            del self._rooms[room.partition][room.room_id]

    def rewrite(self, partition: int, event: RoomEvent, order: int) -> None:
        """Note that an event changed at this order, and replace its JSON if it is here."""
        room = self.touch(partition, event.room_id, order)
        room.rewritten = order
        for known in room.events:
            if known.event_id == event.event_id:
                known.json = event.json
                known.unsigned = event.unsigned
                known.push_class = event.push_class
                room.fragment = None
                return
