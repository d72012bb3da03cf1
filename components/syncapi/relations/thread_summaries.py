"""What a reader is told of threads: how many events they have, the last one, and who took part."""

from collections.abc import Collection
from typing import Final, NamedTuple

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.bundled import (
    RelationGroup,
    select_at_orders,
    select_latest_senders,
    select_participation,
    select_thread_senders,
)
from components.syncapi.store.related import ChildrenRange, select_children
from components.syncapi.timeline.paging import FROM_THE_START, TO_THE_END
from components.syncapi.timeline.visibility import Viewer
from matrix.relations import THREAD

_MOST_SCANNED: Final = 1000
"""Events of a thread that are looked at where what is counted of it does not hold for a reader."""


class ThreadSummary(NamedTuple):
    """A thread as one reader sees it."""

    children: int
    latest: RoomEvent
    participated: bool
    """Whether the reader sent something to it; to have begun it counts as well."""


class _ThreadCount(NamedTuple):
    children: int
    latest_order: int


def summarise_threads(
    connection: Connection,
    room_id: str,
    groups: Collection[RelationGroup],
    viewer: Viewer,
    upto: int,
) -> dict[str, ThreadSummary]:
    """Return by root the threads that have anything for this viewer before a place.

    Members who may see all of a thread are told what is counted of it. For others, also for those
    who left, at most its newest events are counted.
    """
    counting = _Counting(connection, room_id, viewer, upto)
    thread_counts = {group.parent_id: counting.count(group) for group in groups}
    known = {
        root_id: thread_count
        for root_id, thread_count in thread_counts.items()
        if thread_count is not None
    }
    if not known:
        return {}
    participated = select_participation(connection, room_id, known, viewer.user_id)
    orders = {thread_count.latest_order for thread_count in known.values()}
    latest = select_at_orders(connection, room_id, orders)
    return {
        root_id: ThreadSummary(
            thread_count.children, latest[thread_count.latest_order], root_id in participated
        )
        for root_id, thread_count in known.items()
        if thread_count.latest_order in latest
    }


class _Counting:
    def __init__(self, connection: Connection, room_id: str, viewer: Viewer, upto: int) -> None:
        self._connection = connection
        self._room_id = room_id
        self._viewer = viewer
        self._upto = upto

    def count(self, group: RelationGroup) -> _ThreadCount | None:
        """Return what this viewer may know of a thread; None where there is nothing."""
        sees_all = self._viewer.sees_all_from(group.oldest_order, is_restricted=group.is_restricted)
        if not sees_all:
            return self._scanned(group)
        if group.latest_order < self._upto:
            return self._counted(group)
        # The database is ahead of what the answer tells.
        thread_count = self._scanned(group)
        if thread_count is None or thread_count.children < _MOST_SCANNED:
            return thread_count
        later = self._shown(group, self._upto, TO_THE_END)
        return thread_count._replace(
            children=group.children - sum(self._ignored(group).values()) - len(later)
        )

    def _counted(self, group: RelationGroup) -> _ThreadCount | None:
        ignored = self._ignored(group)
        children = group.children - sum(ignored.values())
        if children <= 0:
            return None
        if not ignored:
            return _ThreadCount(children, group.latest_order)
        # At most those who are ignored stand before the one who is not.
        latest = select_latest_senders(
            self._connection, self._room_id, group.parent_id, len(ignored) + 1
        )
        order = next(one.latest_order for one in latest if one.sender not in ignored)
        return _ThreadCount(children, order)

    def _ignored(self, group: RelationGroup) -> dict[str, int]:
        """Return how many events those whom the viewer ignores have in the thread."""
        users = self._viewer.ignored
        if not users:
            return {}
        found = select_thread_senders(self._connection, self._room_id, group.parent_id, users)
        return {one.sender: one.children for one in found}

    def _scanned(self, group: RelationGroup) -> _ThreadCount | None:
        shown = self._shown(group, FROM_THE_START, self._upto)
        return _ThreadCount(len(shown), shown[0].order) if shown else None

    def _shown(self, group: RelationGroup, from_order: int, to_order: int) -> list[RoomEvent]:
        """Return the newest events of the thread in this range that the viewer sees."""
        place = ChildrenRange(self._room_id, group.parent_id, from_order, to_order, backwards=True)
        children = select_children(self._connection, place, _MOST_SCANNED, THREAD)
        return [
            child.event
            for child in children
            # State is shown whoever sent it, but does not count.
            if child.event.sender not in self._viewer.ignored and self._viewer.sees(child.event)
        ]
