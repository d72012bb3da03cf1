"""What came in rooms since a position, oldest first: the event streams from before /sync."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

from base.database import Connection
from components.syncapi.changes import Membership
from components.syncapi.position import ROOMS, SyncPosition, with_rooms
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.account_data import select_ignored_users
from components.syncapi.store.events import select_changed_rooms
from components.syncapi.timeline.access import require_access
from components.syncapi.timeline.paging import Range, select_page
from components.syncapi.timeline.rendering import Reader, render, room_id_member
from components.syncapi.timeline.viewing import viewer_of
from components.syncapi.timeline.visibility import Viewer
from matrix.filters import EventFilter

_EVERYTHING: Final = EventFilter.parse({})


class FollowQuery(msgspec.Struct, frozen=True, gc=False):
    """Between which positions to look, and how far."""

    reader: Reader
    since: SyncPosition
    upto: SyncPosition
    partition_of: Callable[[str], int]
    limit: int
    """Events of one partition at most."""
    max_scanned: int


class Followed(msgspec.Struct, gc=False):
    """Rendered events, and up to where they go."""

    events: list[bytes]
    position: SyncPosition


class _Tail(msgspec.Struct, gc=False):
    """What one room has, and before which place that is all; None where it is anyway."""

    events: list[RoomEvent]
    whole_before: int | None
    viewer: Viewer


def follow_rooms(
    connection: Connection, *, query: FollowQuery, memberships: Mapping[str, Membership]
) -> Followed:
    """Return what the user's rooms have; of rooms that they left what was until then."""
    ignored = select_ignored_users(connection, query.reader.user_id)
    tails: dict[str, _Tail] = {}
    for room_id in _changed(connection, query, memberships):
        now = memberships[room_id]
        partition = query.partition_of(room_id)
        end = query.upto[ROOMS][partition]
        viewer = viewer_of(connection, query.reader.user_id, room_id, now, end, ignored=ignored)
        if now.membership != "join":
            end = min(end, now.stream_order + 1)
        tails[room_id] = _tail(connection, query, room_id, viewer, end)
    return _merged(query, tails)


def follow_room(connection: Connection, *, query: FollowQuery, room_id: str) -> Followed:
    """Return what one room has for a user, who may be no member. Raises `Forbidden`."""
    access = require_access(connection, query.reader.user_id, room_id)
    end = min(query.upto[ROOMS][query.partition_of(room_id)], access.end)
    return _merged(query, {room_id: _tail(connection, query, room_id, access.viewer, end)})


def _changed(
    connection: Connection, query: FollowQuery, memberships: Mapping[str, Membership]
) -> Collection[str]:
    """Return the rooms with events since the position that may concern the user."""
    since = {room_id: query.since[ROOMS][query.partition_of(room_id)] for room_id in memberships}
    return select_changed_rooms(
        connection,
        {
            room_id: since[room_id]
            for room_id, now in memberships.items()
            if now.membership == "join" or now.stream_order >= since[room_id]
        },
    )


def _tail(
    connection: Connection, query: FollowQuery, room_id: str, viewer: Viewer, end: int
) -> _Tail:
    page = select_page(
        connection,
        Range(room_id, query.since[ROOMS][query.partition_of(room_id)], end, backwards=False),
        limit=query.limit,
        event_filter=_EVERYTHING,
        viewer=viewer,
        max_scanned=query.max_scanned,
    )
    return _Tail(page.events, page.place if page.more else None, viewer)


def _merged(query: FollowQuery, tails: Mapping[str, _Tail]) -> Followed:
    """Return the events of each partition as far as all of its rooms are whole."""
    ends = list(query.upto[ROOMS])
    for room_id, tail in tails.items():
        if tail.whole_before is not None:
            partition = query.partition_of(room_id)
            ends[partition] = min(ends[partition], tail.whole_before)
    events = [
        (query.partition_of(room_id), event.order, event)
        for room_id, tail in tails.items()
        for event in tail.events
        if event.order < ends[query.partition_of(room_id)]
    ]
    events.sort(key=lambda one: one[:2])
    rendered = [
        render(
            event,
            query.reader,
            membership=tails[event.room_id].viewer.membership_after(order),
            room_id=room_id_member(event.room_id),
        )
        for _, order, event in events
    ]
    return Followed(rendered, with_rooms(query.upto, tuple(ends)))
