"""The table of the receipt server: where each receipt stands."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from base.database import Connection, Schema, Statement, cut_to_sizes, page_after, upsert_into
from components.receipts.receipts import ReceiptName, ReceiptPlace
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.records.receipts import EventPlace

METADATA: Final = sa.MetaData()

MARKERS: Final = sa.Table(
    "markers",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("receipt_type", sa.Text, primary_key=True),
    # Empty for a receipt of the whole room.
    sa.Column("thread_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("depth", sa.BigInteger, nullable=False),
    sa.Column("stream", sa.BigInteger),
    sa.Column("ts", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

SCHEMA: Final = Schema("receipts", METADATA, parts=(CONSUMER_SCHEMA,))

_AT_ONCE: Final = (1, 8, 64)
"""How many receipts one SELECT takes: few sizes, so that each text is compiled once."""


def _select(size: int) -> Statement:
    of = MARKERS.c
    return Statement(
        lambda _dialect: sa.select(*of).where(
            sa.or_(
                *(
                    sa.and_(
                        of.room_id == sa.bindparam(f"room{number}"),
                        of.user_id == sa.bindparam(f"user{number}"),
                        of.receipt_type == sa.bindparam(f"type{number}"),
                        of.thread_id == sa.bindparam(f"thread{number}"),
                    )
                    for number in range(size)
                )
            )
        )
    )


_SELECT: Final = {size: _select(size) for size in _AT_ONCE}
_UPSERT: Final = upsert_into(MARKERS, "event_id", "depth", "stream", "ts")


def select_receipts(
    connection: Connection, names: Collection[ReceiptName]
) -> dict[ReceiptName, ReceiptPlace]:
    """Return those of the receipts that are set."""
    found: dict[ReceiptName, ReceiptPlace] = {}
    for some in cut_to_sizes(names, _AT_ONCE):
        values: dict[str, str] = {}
        for number, (room_id, user_id, receipt_type, thread_id) in enumerate(some):
            values[f"room{number}"] = room_id
            values[f"user{number}"] = user_id
            values[f"type{number}"] = receipt_type
            values[f"thread{number}"] = thread_id
        for *name, event_id, depth, stream, ts in _SELECT[len(some)].run(connection, values):
            found[ReceiptName(*name)] = ReceiptPlace(event_id, EventPlace(depth, stream), ts)
    return found


def select_receipts_after(
    connection: Connection, key: Sequence[str], limit: int
) -> list[tuple[ReceiptName, ReceiptPlace]]:
    """Return receipts after a name, or from the first one, ordered by name."""
    of = MARKERS.c
    name = (of.room_id, of.user_id, of.receipt_type, of.thread_id)
    rows = connection.execute(page_after(sa.select(*of), name, key, limit))
    return [
        (ReceiptName(*found), ReceiptPlace(event_id, EventPlace(depth, stream), ts))
        for *found, event_id, depth, stream, ts in rows
    ]


def upsert_receipts(connection: Connection, receipts: Mapping[ReceiptName, ReceiptPlace]) -> None:
    """Put receipts where they stand now."""
    _UPSERT.run_many(
        connection,
        (
            {
                "room_id": name.room_id,
                "user_id": name.user_id,
                "receipt_type": name.receipt_type,
                "thread_id": name.thread_id,
                "event_id": receipt.event_id,
                "depth": receipt.place.depth,
                "stream": receipt.place.stream,
                "ts": receipt.ts,
            }
            for name, receipt in receipts.items()
        ),
    )
