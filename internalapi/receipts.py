"""What other components ask the receipt server."""

from typing import Protocol

import msgspec

from matrix.identifiers import EventID, RoomID, UserID


class FullyReadMarkers(Protocol):
    """Where users' markers stand: what was answered before is known."""

    async def query_fully_read(self, *, user_id: UserID, room_id: RoomID) -> EventID | None:
        """Return up to which event the user has read the room; `None` where it was never said.

        Raises `Unavailable`.
        """
        ...


class ReceiptHistoryPage(msgspec.Struct, frozen=True):
    """A part of where receipts and markers stand."""

    records: list[bytes]
    """Records of OutputReceipt, encoded."""
    next_place: list[str] | None
    """Where the next part begins; `None` at the end."""


class ReceiptHistory(Protocol):
    """Where all receipts and fully-read markers stand: readers are rebuilt from it."""

    async def query_receipts(self, *, after: list[str], limit: int) -> ReceiptHistoryPage:
        """Return the first after a place, room by room; all begin after the empty place."""
        ...
