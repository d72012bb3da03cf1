"""What receipts are rebuilt from: the history of the receipt server."""

from functools import partial

from components.syncapi.store.rebuild_progress import Cursor
from components.syncapi.streams.history import (
    FIRST_ORDER,
    RECORDS_AT_ONCE,
    HistoryPart,
    HistorySource,
    Stage,
    moved,
    part_of,
)
from logs.records.receipts import OutputReceipt, ReceiptMoved
from logs.topics import OUTPUT_RECEIPT


def receipt_stages(source: HistorySource) -> list[Stage]:
    """Return the history of receipts and fully-read markers."""
    return [Stage(3, "receipts", partial(_read, source))]


async def _read(source: HistorySource, cursor: Cursor) -> HistoryPart:
    page = await source.owners.receipts.query_receipts(after=cursor.place, limit=RECORDS_AT_ONCE)
    records = [OUTPUT_RECEIPT.decode(record) for record in page.records]
    return part_of(
        source.log,
        OUTPUT_RECEIPT,
        [(one.room_id, _place(one), one) for one in records],
        moved(cursor, page.next_place, len(records)),
    )


def _place(record: OutputReceipt) -> int:
    # Of many in a room only the newest are shown.
    return FIRST_ORDER + min(record.ts if isinstance(record, ReceiptMoved) else 0, 2**53 - 1)
