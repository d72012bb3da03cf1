"""Which rooms an answer has to tell of, and those parts of it that memory can make."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from base.slices import Slices
from components.syncapi.changes import Membership
from components.syncapi.memory.recent import RecentRoom, RecentRooms
from components.syncapi.position import ROOMS
from components.syncapi.room_summary import Summary
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.fragments import FragmentMaker, NeedsDatabase
from components.syncapi.streams.rooms.tasks import RoomTask
from matrix.push_rules.classes import QUIET

PartitionOf = Callable[[str], int]

_MOST_EVENTS: Final = 1000
"""Events from memory in one answer, which take some milliseconds."""
_ROOM: Final = 2
"""How many events a room itself counts as."""
_NOBODY: Final[AbstractSet[str]] = frozenset()


class Found(msgspec.Struct, gc=False):
    """The parts that are ready, and the rooms for which the database is asked."""

    ready: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    """Joined rooms with their parts."""
    tasks: list[RoomTask] = msgspec.field(default_factory=list)
    unsure: list[RoomTask] = msgspec.field(default_factory=list)
    """Joined rooms of which only the database knows whether they changed."""
    recounted: list[str] = msgspec.field(default_factory=list)
    """Joined rooms whose unread counts may have changed, though there may be nothing to show:
    events that were there before have changed, or the filter hides those that came."""


class Look:
    """One look at memory for one request."""

    def __init__(
        self,
        request: SyncRequest,
        summaries: Mapping[str, Summary],
        partition_of: PartitionOf,
        slices: Slices,
    ) -> None:
        self._request = request
        self._slices = slices
        self._events_left = _MOST_EVENTS
        self._memberships = request.memberships
        self._summaries = summaries
        self._partition_of = partition_of
        self.found: Final = Found()

    async def begin(self) -> None:
        """Ask for everything: an initial sync, or one for the full state."""
        request = self._request
        # Who begins again may show rooms that the user is not in.
        include_leave = request.since is None and (
            request.filter.room.include_leave or request.begins_anew
        )
        for room_id, now in list(self._memberships.items()):
            await self._slices.next()
            if now.membership == "join":
                self._ask(room_id, now)
            elif now.membership in {"invite", "knock"} or include_leave:
                if self._has_moved(room_id, now):
                    self._ask(room_id, now)
            elif request.since is not None and self._has_moved(room_id, now):
                self._ask(room_id, now)

    async def everywhere(self) -> None:
        """Ask for what changed since a position that memory does not reach."""
        for room_id, now in list(self._memberships.items()):
            await self._slices.next()
            if self._has_moved(room_id, now):
                self._ask(room_id, now)
            elif now.membership == "join" and self._request.filter.room.includes_room(room_id):
                self.found.unsure.append(self._task(room_id, now))

    def in_memory(
        self, since: tuple[int, ...], recent: RecentRooms, fragments: FragmentMaker
    ) -> None:
        """Make the parts of the rooms that changed, or ask for those that memory cannot make.

        It does not wait, so that all is of one position; where it would take long, the database
        is asked for the rest.
        """
        for room in recent.changed_among(since, self._memberships, self._partition_of):
            now = self._memberships.get(room.room_id)
            if now is None:
                continue
            if now.membership == "join":
                self._make(room, now, since[room.partition], fragments)
            elif now.stream_order >= since[room.partition]:
                self._ask(room.room_id, now)

    def _make(
        self, room: RecentRoom, now: Membership, since: int, fragments: FragmentMaker
    ) -> None:
        if not self._request.filter.room.includes_room(room.room_id):
            return
        if room.rewritten >= since:
            self.found.recounted.append(room.room_id)
        self._events_left -= _ROOM + room.count_since(since, self._events_left)
        if self._events_left < 0:
            self._ask(room.room_id, now)
            return
        try:
            part = fragments.make(self._request, room, now, since)
        except NeedsDatabase:
            self._ask(room.room_id, now)
        else:
            if part:
                self.found.ready.append((room.room_id, part))
            elif any(
                event.push_class > QUIET and event.sender not in self._request.ignored
                for event in room.since(since)
            ):
                self.found.recounted.append(room.room_id)

    def _has_moved(self, room_id: str, now: Membership) -> bool:
        """Whether the user's membership changed in the range; at the beginning every one has."""
        since = self._request.since
        return since is None or now.stream_order >= since[ROOMS][self._partition_of(room_id)]

    def _ask(self, room_id: str, now: Membership) -> None:
        if self._request.filter.room.includes_room(room_id):
            self.found.tasks.append(self._task(room_id, now))

    def _task(self, room_id: str, now: Membership) -> RoomTask:
        request = self._request
        partition = self._partition_of(room_id)
        since = None if request.since is None else request.since[ROOMS][partition]
        known = _NOBODY
        state_filter = request.filter.room.state
        if since is not None and not state_filter.include_redundant_members:
            known = request.known_members.get(room_id, _NOBODY)
        return RoomTask(
            room_id,
            now,
            since,
            request.upto[ROOMS][partition],
            known,
            self._summaries.get(room_id),
        )
