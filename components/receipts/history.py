"""Where receipts and receipts stand, for readers that are rebuilt."""

from typing import Final

from base.database import Database
from components.receipts.receipts import announcement
from components.receipts.store import select_receipts_after
from internalapi.receipts import ReceiptHistoryPage
from logs.topics import OUTPUT_RECEIPT

_MOST: Final = 1000


class ReceiptHistoryReader:
    """`internalapi.receipts.ReceiptHistory`, from the database, opened with `SCHEMA`."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def query_receipts(self, *, after: list[str], limit: int) -> ReceiptHistoryPage:
        """Return the first after a place, room by room; all begin after the empty place."""
        most = min(limit, _MOST)
        found = await self._database.read(
            lambda connection: select_receipts_after(connection, after, most)
        )
        return ReceiptHistoryPage(
            [OUTPUT_RECEIPT.encode(announcement(*one)) for one in found],
            list(found[-1][0]) if len(found) == most else None,
        )
