"""The parts of an answer that tell of one room, read from the database."""

from collections.abc import Collection, Mapping

from base.database import Connection, paced
from components.syncapi.relations.bundling import NO_BUNDLES, Bundler
from components.syncapi.room_event import RoomEvent
from components.syncapi.room_summary import Summary, render_summary
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.states import StateReader
from components.syncapi.streams.rooms.tasks import RoomTask, Section, Timeline
from components.syncapi.streams.rooms.timelines import TimelineReader
from components.syncapi.timeline.erasure import state_with_erasures
from components.syncapi.timeline.paging import FROM_THE_START
from components.syncapi.timeline.rendering import render, select_fields
from components.syncapi.timeline.summary import select_summary
from components.syncapi.timeline.viewing import viewer_of
from components.syncapi.timeline.visibility import Viewer
from components.syncapi.tokens import SyncTokens


class SectionReader:
    """Makes the parts of rooms for one request, inside one transaction."""

    def __init__(self, connection: Connection, request: SyncRequest, tokens: SyncTokens) -> None:
        self._connection = connection
        self._request = request
        self._tokens = tokens
        self._timelines = TimelineReader(connection, request)
        self._states = StateReader(connection, request)

    def prepare(self, room_ids: Collection[str]) -> None:
        """Read the state of several rooms at once, for those that will need all of it."""
        self._states.prepare(room_ids)

    def joined(self, task: RoomTask) -> Section | None:
        """Return the part of a room that the user is in; None if there is nothing to tell."""
        request = self._request
        viewer = self._viewer(task)
        from_order = FROM_THE_START if task.since is None else task.since
        timeline = self._timelines.timeline(task, task.upto, viewer)
        summary: Summary | None = None
        if task.begins or request.full_state:
            summary = self._summary(task)
            changes = self._states.later_changes(task, timeline.start, task.upto)
            timeline = self._timelines.settled(timeline, changes)
            state = self._states.full_state(task, timeline, changes, summary, task.upto)
        else:
            changes = self._states.changes(task.room_id, from_order, task.upto)
            timeline = self._timelines.settled(timeline, changes)
            if self._states.changes_summary(task.room_id, from_order, changes):
                summary = self._summary(task)
            state = self._states.delta(task, timeline, changes, summary)
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
        return Section(json, sent, summary)

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
            timeline = self._timelines.timeline(task, upto, viewer)
            changes = self._states.later_changes(task, timeline.start, end)
            timeline = self._timelines.settled(timeline, changes)
            state = self._states.full_state(task, timeline, changes, None, end)
        elif since is not None:
            timeline = self._timelines.timeline(task, upto, viewer)
            changes = self._states.changes(task.room_id, since, end) if stayed else []
            timeline = self._timelines.settled(timeline, changes)
            state = self._states.delta(task, timeline, changes, None) if stayed else []
        else:
            # A rejected invite or knock: nothing of the room is theirs to see but the end of it.
            # Nor is there more to tell to who begins again.
            timeline = self._timelines.page(task.room_id, task.now.stream_order, upto, viewer)
            state = []
        if self._request.use_state_after:
            state = self._states.with_own_membership(task, state)
        members = self._head(task, state, timeline, viewer)
        return Section(b"{" + b",".join(members) + b"}")

    def _summary(self, task: RoomTask) -> Summary:
        return task.summary or select_summary(self._connection, task.room_id)

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
