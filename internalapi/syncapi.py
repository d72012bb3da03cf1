"""What other components ask client sync: how the events of a room relate, and who sees them."""

from typing import Protocol

from matrix.identifiers import DeviceID, EventID, RoomID, UserID


class Relations(Protocol):
    """Relations between events that stand in rooms."""

    async def query_has_annotated(
        self,
        *,
        room_id: RoomID,
        parent_id: EventID,
        sender: UserID,
        event_type: str,
        key: str,
        device_id: DeviceID,
        transaction_id: str,
    ) -> bool:
        """Return whether the sender has annotated the event with this type and key already.

        Redacted annotations do not count, nor does what was sent with this very transaction: that
        is a repeat of the request. What was written before the call counts. Raises `Unavailable`
        when that cannot be read yet.
        """
        ...


class EventVisibility(Protocol):
    """Who may see which events (client-server API, "Room History Visibility")."""

    async def query_visible(
        self, *, room_id: RoomID, user_id: UserID, event_ids: list[EventID]
    ) -> list[EventID]:
        """Return those of the events that stand in the room and that the user may see.

        Whom the user ignores does not matter. Who may see an event now may see it for as long as
        they are in the room. What was written before the call counts. Raises `Unavailable` when
        that cannot be read yet.
        """
        ...
