"""With whom a user shares rooms at two positions: who came between them, and who is gone.

Two users share a room if both are joined to it, encrypted or not: a room may be encrypted later,
and nobody would be told of its members again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from base.database import Connection
from components.syncapi.changes import Membership
from components.syncapi.position import Offsets
from components.syncapi.store.sharing import (
    Joined,
    RoomSpan,
    select_joined_at,
    select_may_be_shared,
    select_moved,
    select_rooms_of,
    select_staying,
)

PartitionOf = Callable[[str], int]

_STAYED: Final = Joined(before=True, after=True)
_NOBODY: Final[AbstractSet[str]] = frozenset()


class Sharing(NamedTuple):
    """How those with whom a user shares rooms are others at the second position."""

    come: AbstractSet[str]
    """Who shares a room then, and did not at the first position."""
    gone: AbstractSet[str]
    """Who shared a room at the first position, and does not then."""
    among: AbstractSet[str]
    """Of those who were asked for by name, who shares a room then."""


class Between(NamedTuple):
    """Two positions in the topic of rooms."""

    start: Offsets
    end: Offsets
    partition_of: PartitionOf

    def span(self, room_id: str) -> RoomSpan:
        """Return the places in a room."""
        partition = self.partition_of(room_id)
        return RoomSpan(room_id, self.start[partition], self.end[partition])


class ReaderRoom(NamedTuple):
    """A room to which the reader was joined at one of two positions at least."""

    span: RoomSpan
    joined: Joined


def select_sharing(
    connection: Connection,
    reader_id: str,
    rooms: Mapping[str, ReaderRoom],
    moved_rooms: Iterable[str] | None,
    others: Collection[str],
) -> Sharing:
    """Return with whom the reader shares rooms at the end, as against the start.

    `rooms` are all that the reader was in. Outside of `moved_rooms` nobody moved between the
    positions; where it is None, anybody may have. `others` are those of whom it is asked whether
    they share a room at the end. Costs a few statements, however many members the rooms have.
    """
    look = _Look(connection, reader_id, rooms)
    wanted = rooms if moved_rooms is None else moved_rooms
    look.find_moved([rooms[room_id] for room_id in wanted if room_id in rooms])
    return look.sharing(set(others))


def select_reader_rooms(
    connection: Connection, reader_id: str, between: Between
) -> dict[str, ReaderRoom]:
    """Return the rooms that the reader was in, by the stored memberships."""
    memberships = {
        one.room_id: Membership(one.membership, one.stream_order, "")
        for one in select_rooms_of(connection, reader_id)
    }
    return reader_rooms(connection, reader_id, memberships, between)


def reader_rooms(
    connection: Connection,
    reader_id: str,
    memberships: Mapping[str, Membership],
    between: Between,
) -> dict[str, ReaderRoom]:
    """Return the rooms that the reader was in, given where they stand at the end or later."""
    rooms: dict[str, ReaderRoom] = {}
    for room_id, now in memberships.items():
        span = between.span(room_id)
        joined = _STAYED
        if now.stream_order >= span.start:
            joined = select_joined_at(connection, reader_id, span)
        elif now.membership != "join":
            continue
        if any(joined):
            rooms[room_id] = ReaderRoom(span, joined)
    return rooms


class _Look:
    def __init__(
        self, connection: Connection, reader_id: str, rooms: Mapping[str, ReaderRoom]
    ) -> None:
        self._connection = connection
        self._reader_id = reader_id
        self._rooms = rooms
        self._moved: Mapping[str, Mapping[str, Joined]] = {}
        self._come: set[str] = set()
        self._gone: set[str] = set()

    def find_moved(self, rooms: Sequence[ReaderRoom]) -> None:
        """Find who may have come or gone: who moved, or who was there as the reader moved."""
        if not rooms:
            return
        self._moved = select_moved(self._connection, [room.span for room in rooms])
        changed = [room.span for room in rooms if room.joined != _STAYED]
        staying = select_staying(self._connection, changed) if changed else {}
        for room in rooms:
            room_id, reader = room.span.room_id, room.joined
            for user_id, other in self._moved.get(room_id, {}).items():
                self._note(user_id, reader, other)
            for user_id in staying.get(room_id, _NOBODY):
                self._note(user_id, reader, _STAYED)

    def _note(self, user_id: str, reader: Joined, other: Joined) -> None:
        before, after = reader.before and other.before, reader.after and other.after
        if after and not before:
            self._come.add(user_id)
        if before and not after:
            self._gone.add(user_id)

    def sharing(self, others: set[str]) -> Sharing:
        """Return who of them shares any room at the start and at the end."""
        self._come.discard(self._reader_id)
        self._gone.discard(self._reader_id)
        asked = self._come | self._gone | others
        if not asked:
            return Sharing(_NOBODY, _NOBODY, _NOBODY)
        before: set[str] = set()
        after: set[str] = set()
        lowest = min((room.span.start for room in self._rooms.values()), default=0)
        for one in select_may_be_shared(self._connection, self._reader_id, asked, lowest):
            room = self._rooms.get(one.room_id)
            if room is None:
                continue
            if one.stream_order < room.span.start:
                joined = Joined(one.membership == "join", one.membership == "join")
            else:
                joined = self._joined(one.user_id, room)
            if room.joined.before and joined.before:
                before.add(one.user_id)
            if room.joined.after and joined.after:
                after.add(one.user_id)
        return Sharing((self._come & after) - before, (self._gone & before) - after, others & after)

    def _joined(self, user_id: str, room: ReaderRoom) -> Joined:
        known = self._moved.get(room.span.room_id, {}).get(user_id)
        # Where nobody moved between the positions, somebody may have done so since then.
        return known or select_joined_at(self._connection, user_id, room.span)
