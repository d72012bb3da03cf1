"""The parts of an answer that tell of one room, read from the database."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from base.database import Connection, paced
from components.syncapi.changes import Membership
from components.syncapi.room_event import RoomEvent
from components.syncapi.room_summary import Summary, render_summary
from components.syncapi.rooms.bundling import NO_BUNDLES, Bundler
from components.syncapi.rooms.erasure import state_with_erasures
from components.syncapi.rooms.matching import matches
from components.syncapi.rooms.paging import FROM_THE_START, Range, select_page
from components.syncapi.rooms.rendering import render, select_fields
from components.syncapi.rooms.summary import select_summary
from components.syncapi.rooms.viewing import viewer_of
from components.syncapi.rooms.visibility import Viewer
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
from components.syncapi.tokens import SyncTokens


class RoomTask(msgspec.Struct, gc=False):
    """What is known of a room before the database is asked."""

    room_id: str
    now: Membership
    since: int | None
    """The first order of the room that the client has not seen; None where it begins again."""
    upto: int
    known_members: AbstractSet[str]
    """The users whose member events the device has."""
    summary: Summary | None = None
    """The room's summary, where it is in memory."""

    @property
    def begins(self) -> bool:
        """Whether the client begins again with the room."""
        return self.since is None or (
            self.now.membership == "join" and self.now.stream_order >= self.since
        )


class Timeline(msgspec.Struct, gc=False):
    """Events, oldest first; `limited` when there are more in the range before `start`."""

    events: list[RoomEvent]
    limited: bool
    start: int
    end: int
    has_news: bool
    """Whether there are any, or may be in the gap: a client that wants none hears of none."""


class Section(msgspec.Struct, gc=False):
    """A room's part of an answer."""

    room_id: str
    json: bytes
    """Without account data and, where the user is joined, unread counts and what is ephemeral."""
    sent_members: list[str] = msgspec.field(default_factory=list)
    """The users whose member events it carries."""
    summary: Summary | None = None
    """The room's summary, where it was looked up."""
    begins: bool = False
    """Whether the client begins again with the room."""


class SectionReader:
    """Makes the parts of rooms for one request, inside one transaction."""

    def __init__(self, connection: Connection, request: SyncRequest, tokens: SyncTokens) -> None:
        self._connection = connection
        self._request = request
        self._tokens = tokens
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

    def joined(self, task: RoomTask) -> Section | None:
        """Return the part of a room that the user is in; None if there is nothing to tell."""
        request = self._request
        viewer = self._viewer(task)
        from_order = FROM_THE_START if task.since is None else task.since
        timeline = self._timeline(task, task.upto, viewer)
        summary: Summary | None = None
        if task.begins or request.full_state:
            summary = self._summary(task)
            changes = self._later_changes(task, timeline.start, task.upto)
            timeline = self._settled(timeline, changes)
            state = self._full_state(task, timeline, changes, summary, task.upto)
        else:
            changes = self._changes(task.room_id, from_order, task.upto)
            timeline = self._settled(timeline, changes)
            if self._changes_summary(task.room_id, from_order, changes):
                summary = self._summary(task)
            state = self._delta(task, timeline, changes, summary)
            if not (timeline.has_news or state or summary is not None):
                return None
        members = self._head(task, state, timeline, viewer)
        if summary is not None:
            members.append(render_summary(summary, request.user_id))
        sent = [
            event.state_key
            for event in [*state, *timeline.events]
            if event.type == "m.room.member" and event.state_key is not None
        ]
        json = b"{" + b",".join(members) + b"}"
        return Section(task.room_id, json, sent, summary, task.begins)

    def left(self, task: RoomTask) -> Section:
        """Return the part of a room that the user has left, or was banned from."""
        upto = min(task.now.stream_order + 1, task.upto)
        viewer = self._viewer(task)
        since = task.since
        # Who left and was banned later may not learn of what changed in between.
        end = upto if viewer.left_at is None else min(upto, viewer.left_at + 1)
        stayed = since is not None and viewer.membership_before(since) == "join"
        if since is not None:
            begins = viewer.joined_since(since)
        else:
            begins = viewer.ever_joined and self._request.filter.room.include_leave
        if begins:
            timeline = self._timeline(task, upto, viewer)
            changes = self._later_changes(task, timeline.start, end)
            timeline = self._settled(timeline, changes)
            state = self._full_state(task, timeline, changes, None, end)
        elif since is not None:
            timeline = self._timeline(task, upto, viewer)
            changes = self._changes(task.room_id, since, end) if stayed else []
            timeline = self._settled(timeline, changes)
            state = self._delta(task, timeline, changes, None) if stayed else []
        else:
            # A rejected invite or knock: nothing of the room is theirs to see but the end of it.
            # Nor is there more to tell to who begins again.
            timeline = self._page(task.room_id, task.now.stream_order, upto, viewer)
            state = []
        if self._request.use_state_after:
            state = self._with_own_membership(task, state)
        members = self._head(task, state, timeline, viewer)
        return Section(task.room_id, b"{" + b",".join(members) + b"}")

    def _with_own_membership(self, task: RoomTask, state: Sequence[RoomEvent]) -> list[RoomEvent]:
        """Return the state with how the user left, which counts also if no more of it is theirs.

        Clients look for it in the state alone.
        """
        own = ("m.room.member", self._request.user_id)
        others = [event for event in state if (event.type, event.state_key) != own]
        ending = select_events(self._connection, [task.now.event_id])
        return others + self._wanted(list(ending.values()))

    def _summary(self, task: RoomTask) -> Summary:
        return task.summary or select_summary(self._connection, task.room_id)

    def _changes_summary(
        self, room_id: str, from_order: int, changes: Sequence[StoredChange]
    ) -> bool:
        types = {change.type for change in changes}
        if not types.isdisjoint(NAMING):
            return True
        # Most changes of members are of display names and pictures.
        return "m.room.member" in types and has_moved_members(self._connection, room_id, from_order)

    def _viewer(self, task: RoomTask) -> Viewer:
        request = self._request
        return viewer_of(
            self._connection,
            request.user_id,
            task.room_id,
            task.now,
            task.upto,
            ignored=request.ignored,
        )

    def _timeline(self, task: RoomTask, upto: int, viewer: Viewer) -> Timeline:
        """Return what the client has not seen.

        Who joined meanwhile has seen nothing since they were in the room before, and is given
        nothing of before they joined: that is in the gap, and `/messages` has it.
        """
        since = task.since
        if since is None:
            timeline = self._page(task.room_id, FROM_THE_START, upto, viewer)
            # What the client has of the room does not lead here.
            limited = timeline.limited or self._request.begins_anew
            return msgspec.structs.replace(timeline, limited=limited)
        if task.now.stream_order < since or viewer.membership_before(since) == "join":
            return self._page(task.room_id, since, upto, viewer)
        joined_at = viewer.joined_after(since)
        if joined_at is None:
            return self._page(task.room_id, since, upto, viewer)
        timeline = self._page(task.room_id, joined_at, upto, viewer)
        return msgspec.structs.replace(timeline, limited=True)

    def _page(self, room_id: str, from_order: int, to_order: int, viewer: Viewer) -> Timeline:
        event_filter = self._request.filter.room.timeline
        page = select_page(
            self._connection,
            Range(room_id, from_order, to_order, backwards=True),
            limit=event_filter.limit,
            event_filter=event_filter,
            viewer=viewer,
            max_scanned=self._request.max_scanned,
        )
        return Timeline(
            page.events[::-1],
            page.more,
            page.place,
            to_order,
            bool(page.events or page.more) and event_filter.limit > 0,
        )

    def _changes(self, room_id: str, from_order: int, to_order: int) -> list[StoredChange]:
        changes = select_changes(self._connection, room_id, from_order)
        return [change for change in changes if change.stream_order < to_order]

    def _later_changes(self, task: RoomTask, from_order: int, to_order: int) -> list[StoredChange]:
        known = self._known.get(task.room_id)
        if known is not None and (known.last_change is None or known.last_change < from_order):
            return []
        return self._changes(task.room_id, from_order, to_order)

    def _settled(self, timeline: Timeline, changes: Sequence[StoredChange]) -> Timeline:
        """Return the timeline from where it ends in the state that holds at its end.

        What its reader does not see may have changed the state again after what they see. A
        client that applies the timeline to `state` would be left with the older one.
        """
        if self._request.use_state_after:
            return timeline
        shown = {event.event_id for event in timeline.events}
        last = {(change.type, change.state_key): change.event_id for change in changes}
        outdated = [
            change.stream_order
            for change in changes
            if change.event_id in shown
            and last[change.type, change.state_key] is not None
            and last[change.type, change.state_key] not in shown
        ]
        if not outdated:
            return timeline
        start = max(outdated) + 1
        events = [event for event in timeline.events if event.order >= start]
        return msgspec.structs.replace(
            timeline, events=events, limited=True, start=start, has_news=True
        )

    def _full_state(
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

    def _delta(
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

    def _wanted(self, state: list[RoomEvent]) -> list[RoomEvent]:
        state_filter = self._request.filter.room.state
        if state_filter.is_pass_all:
            return state
        return [event for event in state if matches(state_filter, event)]

    def _bundles(self, task: RoomTask, timeline: Timeline, viewer: Viewer) -> Mapping[str, bytes]:
        # Who has all that came since knows how it relates.
        if not (timeline.limited or task.begins):
            return NO_BUNDLES
        bundler = Bundler(
            self._connection, task.room_id, self._request.reader, viewer, timeline.end
        )
        return bundler.bundles(timeline.events)

    def _head(
        self, task: RoomTask, state: list[RoomEvent], timeline: Timeline, viewer: Viewer
    ) -> list[bytes]:
        request = self._request
        state_json = b",".join(
            [
                select_fields(render(event, request.reader), request.filter)
                for event in paced(
                    self._connection,
                    state_with_erasures(self._connection, task.room_id, state, viewer),
                )
            ]
        )
        bundles = self._bundles(task, timeline, viewer)
        timeline_json = b",".join(
            [
                select_fields(
                    render(
                        event,
                        request.reader,
                        membership=viewer.membership_after(event.order),
                        relations=bundles.get(event.event_id, b""),
                    ),
                    request.filter,
                )
                for event in paced(self._connection, timeline.events)
            ]
        )
        return [
            b'"%b":{"events":[%b]}' % (request.state_name.encode(), state_json),
            b'"timeline":{"events":[%b],"limited":%b,"prev_batch":"%b"}'
            % (
                timeline_json,
                b"true" if timeline.limited else b"false",
                self._tokens.encode_place(timeline.start).encode(),
            ),
        ]
