"""Receipts of what users have read, and which of two places is the later one."""

from typing import Literal, NamedTuple

from logs.records.receipts import (
    EventPlace,
    FullyReadMoved,
    MarkRead,
    OutputReceipt,
    ReceiptMoved,
)


class ReceiptName(NamedTuple):
    """What there is one receipt for ("Receipts": user, receipt type and categorisation)."""

    room_id: str
    user_id: str
    receipt_type: Literal["m.read", "m.read.private", "m.fully_read"]
    thread_id: str
    """Empty for a receipt of the whole room."""


class ReceiptPlace(NamedTuple):
    """Up to which event something is read."""

    event_id: str
    place: EventPlace
    ts: int


def receipt_name(record: MarkRead) -> ReceiptName:
    """Return which receipt a record is to move."""
    return ReceiptName(record.room_id, record.user_id, record.receipt_type, record.thread_id or "")


def moves(receipt: ReceiptPlace | None, event_id: str, place: EventPlace) -> bool:
    """Return whether a receipt moves to this event: forward only.

    Events of equal depth stand beside each other in the graph: nothing tells which is later, so
    that the newer receipt holds. Or who has read the last event would appear not to have.
    """
    if receipt is None:
        return True
    if receipt.event_id == event_id:
        return False
    before = receipt.place
    if before.stream is not None and place.stream is not None:
        return place.stream > before.stream
    return place.depth >= before.depth


def announcement(name: ReceiptName, receipt: ReceiptPlace) -> OutputReceipt:
    """Return the record which tells where a receipt stands."""
    if name.receipt_type == "m.fully_read":
        return FullyReadMoved(name.room_id, name.user_id, receipt.event_id)
    return ReceiptMoved(
        name.room_id,
        name.user_id,
        name.receipt_type,
        receipt.event_id,
        receipt.ts,
        name.thread_id or None,
        receipt.place,
    )
