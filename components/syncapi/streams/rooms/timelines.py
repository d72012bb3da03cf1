"""The timelines of rooms in an answer: what a client has not seen."""

from collections.abc import Sequence

import msgspec

from base.database import Connection
from components.syncapi.store.state import (
    StoredChange,
)
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.tasks import RoomTask, Timeline
from components.syncapi.timeline.paging import FROM_THE_START, Range, select_page
from components.syncapi.timeline.visibility import Viewer


class TimelineReader:
    """Reads timelines for one request, inside one transaction."""

    def __init__(self, connection: Connection, request: SyncRequest) -> None:
        self._connection = connection
        self._request = request

    def timeline(self, task: RoomTask, upto: int, viewer: Viewer) -> Timeline:
        """Return what the client has not seen.

        Who joined meanwhile has seen nothing since they were in the room before, and is given
        nothing of before they joined: that is in the gap, and `/messages` has it.
        """
        since = task.since
        if since is None:
            timeline = self.page(task.room_id, FROM_THE_START, upto, viewer)
            # What the client has of the room does not lead here.
            limited = timeline.limited or self._request.begins_anew
            return msgspec.structs.replace(timeline, limited=limited)
        if task.now.stream_order < since or viewer.membership_before(since) == "join":
            return self.page(task.room_id, since, upto, viewer)
        joined_at = viewer.joined_after(since)
        if joined_at is None:
            return self.page(task.room_id, since, upto, viewer)
        timeline = self.page(task.room_id, joined_at, upto, viewer)
        return msgspec.structs.replace(timeline, limited=True)

    def page(self, room_id: str, from_order: int, to_order: int, viewer: Viewer) -> Timeline:
        """Return what the reader sees of a range, as much as the filter lets through."""
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

    def settled(self, timeline: Timeline, changes: Sequence[StoredChange]) -> Timeline:
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
