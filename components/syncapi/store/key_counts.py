"""How many keys of each device can be claimed, as /sync tells it to the device."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement, upsert_into
from components.syncapi.store.tables import METADATA

KEY_COUNTS: Final = sa.Table(
    "key_counts",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    # The offset in the partition of OutputKeyChange.
    sa.Column("stream_order", sa.BigInteger, nullable=False),
    # JSON: an object of numbers by algorithm, and a list of algorithms.
    sa.Column("one_time_keys", sa.LargeBinary, nullable=False),
    sa.Column("unused_fallback_types", sa.LargeBinary, nullable=False),
)

_C: Final = KEY_COUNTS.c
_UPSERT: Final = upsert_into(KEY_COUNTS, "stream_order", "one_time_keys", "unused_fallback_types")
_OF_DEVICE: Final = sa.and_(
    _C.user_id == sa.bindparam("user_id"), _C.device_id == sa.bindparam("device_id")
)
_SELECT: Final = Statement(sa.select(*KEY_COUNTS.c).where(_OF_DEVICE))
_DELETE: Final = Statement(sa.delete(KEY_COUNTS).where(_OF_DEVICE))


class KeyCounts(NamedTuple):
    """The keys of one device that can be claimed."""

    user_id: str
    device_id: str
    stream_order: int
    """Where in the log they became so."""
    one_time_keys: bytes
    unused_fallback_types: bytes


def upsert_key_counts(connection: Connection, counts: Iterable[KeyCounts]) -> None:
    """Keep the newest counts of devices, each of which is there once."""
    _UPSERT.run_many(connection, [one._asdict() for one in counts])


def delete_key_counts(connection: Connection, devices: Iterable[tuple[str, str]]) -> None:
    """Delete the counts of devices, given with their users."""
    _DELETE.run_many(
        connection,
        [{"user_id": user_id, "device_id": device_id} for user_id, device_id in devices],
    )


def select_key_counts(connection: Connection, user_id: str, device_id: str) -> KeyCounts | None:
    """Return the counts of a device; None for one that has uploaded no keys."""
    rows = _SELECT.rows(connection, {"user_id": user_id, "device_id": device_id})
    return KeyCounts(*rows[0]) if rows else None
