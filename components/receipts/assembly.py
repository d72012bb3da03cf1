"""Puts the receipt server together."""

from typing import NamedTuple

from base.database import Database
from components.receipts.marker_queries import MarkerQueries
from components.receipts.processor import ReceiptProcessor
from components.receipts.settings import ReceiptServerSettings
from components.receipts.store import SCHEMA
from logs.consumer.loop import Consumer
from logs.consumer.partition import OnProcessed
from logs.log import Log
from logs.records.receipts import InputReceipt
from logs.topics import INPUT_RECEIPT

__all__ = ["SCHEMA", "ReceiptServer", "build"]


class ReceiptServer(NamedTuple):
    """The parts of the receipt server: what answers, and what has to run."""

    markers: MarkerQueries
    consumer: Consumer[InputReceipt]


def build(
    *,
    log: Log,
    database: Database,
    settings: ReceiptServerSettings,
    on_processed: OnProcessed | None = None,
) -> ReceiptServer:
    """Return a receipt server over its database, opened with `SCHEMA`; nothing is started.

    `on_processed` hears how far all inputs are done with.
    """
    return ReceiptServer(
        MarkerQueries(database),
        Consumer(
            "receipts",
            INPUT_RECEIPT,
            lambda _: ReceiptProcessor(settings),
            log,
            database,
            max_batch=settings.max_batch_receipts,
            on_processed=on_processed,
        ),
    )
