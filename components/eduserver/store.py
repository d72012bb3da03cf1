"""The table of the EDU server: the rooms where somebody types."""

from collections.abc import Mapping
from typing import Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, Schema, Statement, upsert_into
from components.eduserver.rooms import Typists
from logs.consumer.tables import CONSUMER_SCHEMA

METADATA: Final = sa.MetaData()

TYPING: Final = sa.Table(
    "typing",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    # Of InputTyping: who owns it loads its rooms.
    sa.Column("partition", sa.Integer, nullable=False, index=True),
    # Users with their deadlines, in their order.
    sa.Column("typists", sa.LargeBinary, nullable=False),
)

SCHEMA: Final = Schema("eduserver", METADATA, parts=(CONSUMER_SCHEMA,))

_UPSERT: Final = upsert_into(TYPING, "partition", "typists")
_DELETE: Final = Statement(sa.delete(TYPING).where(TYPING.c.room_id == sa.bindparam("of_room")))
_SELECT: Final = Statement(
    sa.select(TYPING.c.room_id, TYPING.c.typists).where(
        TYPING.c.partition == sa.bindparam("of_partition")
    )
)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[str, int]).decode


def select_typing(connection: Connection, partition: int) -> dict[str, Typists]:
    """Return the rooms of a partition where somebody types."""
    rows = _SELECT.run(connection, {"of_partition": partition})
    return {room_id: _decode(typists) for room_id, typists in rows}


def upsert_typing(connection: Connection, partition: int, changed: Mapping[str, Typists]) -> None:
    """Store who types in these rooms; where nobody does any more, the row goes."""
    _UPSERT.run_many(
        connection,
        [
            {"room_id": room_id, "partition": partition, "typists": _encode(typists)}
            for room_id, typists in changed.items()
            if typists
        ],
    )
    _DELETE.run_many(
        connection, [{"of_room": room_id} for room_id, typists in changed.items() if not typists]
    )
