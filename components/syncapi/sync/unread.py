"""The unread counts that an answer tells: of all its rooms, and of those where they changed."""

from collections.abc import Mapping
from typing import Final

from components.syncapi.position import ROOMS
from components.syncapi.streams.answer import SyncAnswer
from components.syncapi.streams.request import SyncRequest
from components.syncapi.streams.rooms.looking import PartitionOf
from components.syncapi.unread.counting import UnreadCounts, UnreadReader

_NO_COUNTS: Final[Mapping[str, bytes]] = {}


class UnreadSections:
    """Counts once the streams have told what they have."""

    def __init__(self, unread: UnreadCounts, room_partition: PartitionOf) -> None:
        self._unread: Final = unread
        self._room_partition: Final = room_partition

    async def count(self, request: SyncRequest, answer: SyncAnswer) -> Mapping[str, bytes]:
        """Return the counts of all rooms that are told of.

        Rooms whose counts have changed are added to what the answer tells.
        """
        rooms = dict.fromkeys(
            [
                *(room_id for room_id, _ in answer.join),
                *answer.ephemeral,
                # Of rooms that the user is not in there are no more than their own parts.
                *filter(request.shows, answer.account_data),
                *answer.recounted,
                *answer.perhaps_recounted,
            ]
        )
        if answer.recounts_all:
            rooms.update(dict.fromkeys(filter(request.shows, request.memberships)))
        if not rooms:
            return _NO_COUNTS
        reader = UnreadReader(
            request.user_id,
            request.memberships,
            request.ignored,
            request.upto[ROOMS],
            request.account_data_order,
        )
        counts = await self._unread.count(reader, rooms)
        if answer.recounts_all:
            answer.recounted.update(counts.unread)
        if request.since is not None:
            since = request.since[ROOMS]
            answer.recounted.update(
                room_id
                for room_id in answer.perhaps_recounted
                if counts.unread_counts[room_id].changed_at >= since[self._room_partition(room_id)]
            )
        by_thread = request.filter.room.timeline.unread_thread_notifications
        return {
            room_id: unread_count.render(by_thread=by_thread)
            for room_id, unread_count in counts.unread_counts.items()
        }
