"""The state of rooms in an answer: all of it, or what changed."""

from collections.abc import Collection, Sequence

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.room_summary import Summary
from components.syncapi.store.events import select_events
from components.syncapi.store.membership import has_moved_members
from components.syncapi.store.state import (
    NAMING,
    StoredChange,
    select_changes,
    select_last_changes,
    select_states_now,
)
from components.syncapi.store.state_at import KnownState, select_members_at, select_state_at
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.tasks import RoomTask, Timeline
from components.syncapi.timeline.matching import matches


class StateReader:
    """Reads state for one request, inside one transaction."""

    def __init__(self, connection: Connection, request: SyncRequest) -> None:
        self._connection = connection
        self._request = request
        self._known: dict[str, KnownState] = {}
        self._last_changes: dict[str, int | None] | None = None

    def prepare(self, room_ids: Collection[str]) -> None:
        """Read the state of several rooms at once, for those that will need all of it."""
        members = not self._request.filter.room.state.lazy_load_members
        states = select_states_now(self._connection, room_ids, members=members)
        if self._last_changes is None:
            self._last_changes = select_last_changes(self._connection, self._request.user_id)
        for room_id, events in states.items():
            self._known[room_id] = KnownState(events, self._last_changes.get(room_id))

    def changes(self, room_id: str, from_order: int, to_order: int) -> list[StoredChange]:
        """Return the changes of a room's state in a range, oldest first."""
        changes = select_changes(self._connection, room_id, from_order)
        return [change for change in changes if change.stream_order < to_order]

    def later_changes(self, task: RoomTask, from_order: int, to_order: int) -> list[StoredChange]:
        """Return the same; without asking, where what is prepared tells that there are none."""
        known = self._known.get(task.room_id)
        if known is not None and (known.last_change is None or known.last_change < from_order):
            return []
        return self.changes(task.room_id, from_order, to_order)

    def changes_summary(
        self, room_id: str, from_order: int, changes: Sequence[StoredChange]
    ) -> bool:
        """Whether changes in the range may give the room another summary."""
        types = {change.type for change in changes}
        if not types.isdisjoint(NAMING):
            return True
        # Most changes of members are of display names and pictures.
        return "m.room.member" in types and has_moved_members(self._connection, room_id, from_order)

    def full_state(
        self,
        task: RoomTask,
        timeline: Timeline,
        changes: Sequence[StoredChange],
        summary: Summary | None,
        upto: int,
    ) -> list[RoomEvent]:
        """Return all state at the timeline's start, or its end.

        What changed outside the timeline is there as it is at the end: so it is with a join
        through another server, which brings all of the state with it.
        """
        request = self._request
        at = upto if request.use_state_after else min(timeline.start, upto)
        members: Collection[str] | None = None
        if request.filter.room.state.lazy_load_members:
            members = {event.sender for event in timeline.events} | {request.user_id}
            if summary is not None:
                members.update(summary.heroes(request.user_id))
        # Not kept any longer: the state of many rooms takes much memory.
        known = self._known.pop(task.room_id, None)
        state = select_state_at(self._connection, task.room_id, at, members=members, known=known)
        later = [change for change in changes if change.stream_order >= at]
        if later:
            shown = {event.event_id for event in timeline.events}
            outside = {
                (event.type, event.state_key): event
                for event in self._last_events(later, shown)
                if members is None or event.type != "m.room.member" or event.state_key in members
            }
            state = [event for event in state if (event.type, event.state_key) not in outside]
            state += outside.values()
        return self._wanted(state)

    def _last_events(
        self, changes: Sequence[StoredChange], shown: Collection[str]
    ) -> list[RoomEvent]:
        """Return the events which the changes end with, except those shown."""
        last = {(change.type, change.state_key): change.event_id for change in changes}
        wanted = {event_id for event_id in last.values() if event_id is not None}.difference(shown)
        return list(select_events(self._connection, wanted).values()) if wanted else []

    def delta(
        self,
        task: RoomTask,
        timeline: Timeline,
        changes: Sequence[StoredChange],
        summary: Summary | None,
    ) -> list[RoomEvent]:
        """Return the state between `since` and the timeline's start, or its end.

        What changed outside the timeline is there too, though it changed inside: the client
        would not hear of it otherwise.
        """
        request = self._request
        if request.use_state_after:
            state = self._last_events(changes, ())
        else:
            shown = {event.event_id for event in timeline.events}
            last = {(change.type, change.state_key): change.event_id for change in changes}
            # Entries that the timeline will move on have to be where it takes them up.
            before = [
                change
                for change in changes
                if change.stream_order < timeline.start
                and last[change.type, change.state_key] in shown
            ]
            state = self._last_events(changes, shown) + self._last_events(before, ())
        if request.filter.room.state.lazy_load_members:
            state += self._missing_members(task, timeline, state, summary)
        return self._wanted(state)

    def _missing_members(
        self,
        task: RoomTask,
        timeline: Timeline,
        state: Sequence[RoomEvent],
        summary: Summary | None,
    ) -> list[RoomEvent]:
        request = self._request
        there = {event.state_key for event in state if event.type == "m.room.member"}
        wanted = {event.sender for event in timeline.events}
        if summary is not None:
            shown = {event.state_key for event in timeline.events if event.type == "m.room.member"}
            wanted.update(hero for hero in summary.heroes(request.user_id) if hero not in shown)
        wanted -= task.known_members
        at = task.upto if request.use_state_after else timeline.start
        return select_members_at(
            self._connection, task.room_id, at, [user for user in wanted if user not in there]
        )

    def with_own_membership(self, task: RoomTask, state: Sequence[RoomEvent]) -> list[RoomEvent]:
        """Return the state with how the user left, which counts also if no more of it is theirs.

        Clients look for it in the state alone.
        """
        own = ("m.room.member", self._request.user_id)
        others = [event for event in state if (event.type, event.state_key) != own]
        ending = select_events(self._connection, [task.now.event_id])
        return others + self._wanted(list(ending.values()))

    def _wanted(self, state: list[RoomEvent]) -> list[RoomEvent]:
        state_filter = self._request.filter.room.state
        if state_filter.is_pass_all:
            return state
        return [event for event in state if matches(state_filter, event)]
