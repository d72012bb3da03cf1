"""Where users have read up to, per room, type of receipt and thread."""

from collections.abc import Collection, Sequence
from typing import Final

import sqlalchemy as sa
from msgspec.structs import astuple

from base.database import Connection, SelectByKeys, paced, upsert_into
from components.syncapi.receipt import PUBLIC, Receipt
from components.syncapi.store.tables import METADATA

_MOST_PER_ROOM: Final = 1000

RECEIPTS: Final = sa.Table(
    "receipts",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("receipt_type", sa.Text, primary_key=True),
    # Empty for receipts that are not about a thread.
    sa.Column("thread_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("ts", sa.BigInteger, nullable=False),
    # The offset in the partition of OutputReceipt.
    sa.Column("stream_order", sa.BigInteger, nullable=False),
    sa.Index("receipts_of_room", "room_id", "stream_order"),
)

_VISIBLE: Final = (
    sa.select(
        *RECEIPTS.c,
        sa.func.row_number()
        .over(partition_by=RECEIPTS.c.room_id, order_by=RECEIPTS.c.stream_order.desc())
        .label("place"),
    )
    .where(
        sa.or_(
            RECEIPTS.c.receipt_type == sa.bindparam("public"),
            RECEIPTS.c.user_id == sa.bindparam("user_id"),
        )
    )
    .subquery()
)
_OF_ROOMS: Final = SelectByKeys(
    sa.select(*[_VISIBLE.c[column.name] for column in RECEIPTS.c]).where(
        sa.or_(
            _VISIBLE.c.place <= sa.bindparam("most_per_room"),
            _VISIBLE.c.user_id == sa.bindparam("user_id"),
        )
    ),
    _VISIBLE.c.room_id,
)


_UPSERT: Final = upsert_into(RECEIPTS, "event_id", "ts", "stream_order")


def upsert_receipts(connection: Connection, receipts: Sequence[Receipt]) -> None:
    """Let receipts stand where these say, in their order."""
    _UPSERT.run_tuples(connection, [astuple(receipt) for receipt in receipts])


def select_receipts(
    connection: Connection, user_id: str, room_ids: Collection[str]
) -> list[Receipt]:
    """Return the receipts of rooms that a user may see, in no order.

    All of the user's own, and of the others' the newest of each room.
    """
    values = {"user_id": user_id, "public": PUBLIC, "most_per_room": _MOST_PER_ROOM}
    rows = _OF_ROOMS.rows(connection, room_ids, values)
    return [Receipt(*row) for row in paced(connection, rows)]
