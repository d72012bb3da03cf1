"""Where a receipt or fully-read marker of a user stands, as client sync keeps it."""

from typing import Final

import msgspec

from logs.records.receipts import OutputReceipt, ReceiptMoved

PUBLIC: Final = "m.read"
FULLY_READ: Final = "m.fully_read"


class Receipt(msgspec.Struct, gc=False):
    """Where a receipt or marker of a user stands, since which place in the stream."""

    room_id: str
    user_id: str
    receipt_type: str
    thread_id: str
    """Empty for a receipt that is not about a thread."""
    event_id: str
    ts: int
    stream_order: int

    def is_for(self, user_id: str) -> bool:
        """Whether this user may see it."""
        return self.receipt_type == PUBLIC or self.user_id == user_id


def receipt_of(record: OutputReceipt, order: int) -> Receipt:
    """Return what a record says."""
    if isinstance(record, ReceiptMoved):
        return Receipt(
            record.room_id,
            record.user_id,
            record.receipt_type,
            record.thread_id or "",
            record.event_id,
            record.ts,
            order,
        )
    return Receipt(record.room_id, record.user_id, FULLY_READ, "", record.event_id, 0, order)
