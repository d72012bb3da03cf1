"""Markers of what users have read, and which of two places is the later one."""

from typing import Literal, NamedTuple

from logs.records.receipts import (
    EventPlace,
    FullyReadMoved,
    MarkRead,
    OutputReceipt,
    ReceiptMoved,
)


class MarkerName(NamedTuple):
    """What there is one marker for ("Receipts": user, receipt type and categorisation)."""

    room_id: str
    user_id: str
    receipt_type: Literal["m.read", "m.read.private", "m.fully_read"]
    thread_id: str
    """Empty for a marker of the whole room."""


class Marker(NamedTuple):
    """Up to which event something is read."""

    event_id: str
    place: EventPlace
    ts: int


def marker_name(record: MarkRead) -> MarkerName:
    """Return which marker a record is to move."""
    return MarkerName(record.room_id, record.user_id, record.receipt_type, record.thread_id or "")


def moves(marker: Marker | None, event_id: str, place: EventPlace) -> bool:
    """Return whether a marker moves to this event: forward only.

    Events of equal depth stand beside each other in the graph: nothing tells which is later, so
    that the newer receipt holds. Or who has read the last event would appear not to have.
    """
    if marker is None:
        return True
    if marker.event_id == event_id:
        return False
    before = marker.place
    if before.stream is not None and place.stream is not None:
        return place.stream > before.stream
    return place.depth >= before.depth


def announcement(name: MarkerName, marker: Marker) -> OutputReceipt:
    """Return the record which tells where a marker stands."""
    if name.receipt_type == "m.fully_read":
        return FullyReadMoved(name.room_id, name.user_id, marker.event_id)
    return ReceiptMoved(
        name.room_id,
        name.user_id,
        name.receipt_type,
        marker.event_id,
        marker.ts,
        name.thread_id or None,
        marker.place,
    )
