"""What memory learns of rooms, in the order of the stream."""

from typing import Final

from components.syncapi.changes import MembershipChange, RoomNews
from components.syncapi.memory.projected import Projected
from components.syncapi.room_event import CHANGES_OTHERS
from components.syncapi.store.state import NAMING


class RoomLearning:
    """Keeps the newest events, the memberships of users who sync, and summaries of rooms."""

    def __init__(self, projected: Projected) -> None:
        self._projected: Final = projected
        self._recent: Final = projected.recent
        self._users: Final = projected.users
        self._summaries: Final = projected.summaries

    def learn(self, partition: int, known: int, news: RoomNews) -> None:
        """Take in committed records from `known` on, and wake whom they concern."""
        added = {event.order: event for event in news.events if event.order >= known}
        changes = [change for change in news.memberships if change.stream_order >= known]
        moved: dict[int, list[MembershipChange]] = {}
        for change in changes:
            moved.setdefault(change.stream_order, []).append(change)
        state_only = {order: room_id for room_id, order in news.state_only if order >= known}
        for order in sorted(added.keys() | moved.keys() | state_only.keys()):
            event = added.get(order)
            if event is not None:
                self._recent.add(partition, event)
                if event.type in NAMING or event.state_effect == CHANGES_OTHERS:
                    self._change_summary(partition, event.room_id, order)
            elif order in state_only:
                self._recent.change_state_outside(partition, state_only[order], order)
                self._change_summary(partition, state_only[order], order)
            for change in moved.get(order, ()):
                self._move(partition, change)
        touched = {event.room_id for event in added.values()} | set(state_only.values())
        for event in news.rewritten:
            self._recent.rewrite(partition, event, news.next_offset - 1)
            touched.add(event.room_id)
            if event.type in NAMING:
                self._change_summary(partition, event.room_id, news.next_offset - 1)
        self._projected.wake(touched, {change.user_id for change in changes})

    def _move(self, partition: int, change: MembershipChange) -> None:
        if change.is_moved:
            self._change_summary(partition, change.room_id, change.stream_order)
            room = self._recent.touch(partition, change.room_id, change.stream_order)
            room.members_moved = change.stream_order
        else:
            self._recent.touch(partition, change.room_id, change.stream_order)
        self._users.move(change)

    def _change_summary(self, partition: int, room_id: str, order: int) -> None:
        self._recent.touch(partition, room_id, order).summary_changed = order
        self._summaries.pop(room_id, None)
