"""Which events a member may see: what they may not see is to them as if it did not exist.

Most of what members name was sent since they came, which is told without a question. For the rest
client sync is asked, and what it has allowed is remembered.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from cachetools import LRUCache

from internalapi.syncapi import EventVisibility
from matrix.identifiers import EventID, RoomID, UserID

_REMEMBERED: Final = 5_000


class PresentMember(NamedTuple):
    """Somebody who is in a room."""

    user_id: UserID
    depth: int
    """Of the event by which they are: what is deeper came after it, or at the same moment."""


class VisibleEvents:
    """Asks client sync, as seldom as possible.

    Where there is no client sync, everything counts as visible: nobody reads events there.
    """

    def __init__(self, visibility: EventVisibility | None) -> None:
        self._visibility = visibility
        # Who may see an event does so for good.
        self._seen: LRUCache[tuple[UserID, EventID], bool] = LRUCache(_REMEMBERED)

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._seen)

    async def among(
        self, room_id: RoomID, user_id: UserID, event_ids: Collection[EventID]
    ) -> set[EventID]:
        """Return those of the events of a room that the user may see. Raises `Unavailable`."""
        if self._visibility is None:
            return set(event_ids)
        unknown = [one for one in event_ids if (user_id, one) not in self._seen]
        if unknown:
            visible = await self._visibility.query_visible(
                room_id=room_id, user_id=user_id, event_ids=unknown
            )
            self._seen.update({(user_id, one): True for one in visible})
            return (set(event_ids) - set(unknown)) | set(visible)
        return set(event_ids)

    async def is_visible(
        self, room_id: RoomID, member: PresentMember, event_id: EventID, depth: int
    ) -> bool:
        """Whether a member may see an event of the room with this depth. Raises `Unavailable`."""
        return depth > member.depth or event_id in await self.among(
            room_id, member.user_id, [event_id]
        )
