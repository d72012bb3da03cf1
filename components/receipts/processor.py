"""Reads InputReceipt: moves receipts forward and tells OutputReceipt of each that has moved.

Cost of a receipt in a batch: its share of one SELECT, if its receipt is not in memory, and of one
upsert; one that moves nothing costs no statement.
"""

from collections.abc import Sequence

from cachetools import LRUCache

from base.database import Connection
from components.receipts.receipts import (
    ReceiptName,
    ReceiptPlace,
    announcement,
    moves,
    receipt_name,
)
from components.receipts.settings import ReceiptServerSettings
from components.receipts.store import select_receipts, upsert_receipts
from logs.consumer import Message, Outbox
from logs.records.receipts import InputReceipt
from logs.topics import OUTPUT_RECEIPT


class ReceiptProcessor:
    """One partition of InputReceipt: the receipts of its rooms."""

    def __init__(self, settings: ReceiptServerSettings) -> None:
        self._known: LRUCache[ReceiptName, ReceiptPlace] = LRUCache(settings.cached_receipts)
        self._moved: dict[ReceiptName, ReceiptPlace] = {}

    def process(
        self,
        connection: Connection,
        messages: Sequence[Message[InputReceipt]],
        outbox: Outbox,
    ) -> None:
        """Move receipts, in the order of the log."""
        named = [(receipt_name(message.value), message) for message in messages]
        now = self._standing(connection, {name for name, _ in named})
        moved: dict[ReceiptName, ReceiptPlace] = {}
        for name, message in named:
            record = message.value
            if name.thread_id and name.receipt_type == "m.fully_read":
                outbox.reject(message, "m.fully_read is not threaded.")
            elif moves(now[name], record.event_id, record.place):
                now[name] = moved[name] = ReceiptPlace(record.event_id, record.place, record.ts)
                outbox.put(OUTPUT_RECEIPT, record.room_id, announcement(name, moved[name]))
        upsert_receipts(connection, moved)
        self._moved = moved

    def _standing(
        self, connection: Connection, names: set[ReceiptName]
    ) -> dict[ReceiptName, ReceiptPlace | None]:
        """Return where these receipts stand before the batch."""
        known = self._known
        found: dict[ReceiptName, ReceiptPlace | None] = {
            name: known[name] for name in names if name in known
        }
        missing = [name for name in names if name not in found]
        if missing:
            stored = select_receipts(connection, missing)
            found.update((name, stored.get(name)) for name in missing)
        return found

    def committed(self) -> None:
        """Keep where the receipts stand now."""
        self._known.update(self._moved)
        self._moved = {}

    def aborted(self) -> None:
        """Forget the batch and all that is known: another process may own the rooms now."""
        self._moved = {}
        self._known.clear()
