"""The one-time keys that were given away last, so that a repeated upload does not bring them back.

A device repeats an upload whose answer it did not get. Meanwhile somebody may have claimed a key
of it, which nobody else may be given.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import sqlalchemy as sa

from base.database import Connection, Statement, insert_into
from components.keyserver.store.claims import KeysOfDevice, OldestKey
from components.keyserver.store.tables import METADATA

_REMEMBERED: Final = 200
"""How many keys of a device and algorithm: as many as an upload has by default."""

claimed_keys: Final = sa.Table(
    "claimed_keys",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("algorithm", sa.Text, primary_key=True),
    # That which the key had among those that waited.
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key_id", sa.Text, nullable=False),
    # SHA-256 of the key as it was stored.
    sa.Column("digest", sa.LargeBinary, nullable=False),
)
_OF_ALGORITHM: Final = (
    claimed_keys.c.user_id == sa.bindparam("of_user"),
    claimed_keys.c.device_id == sa.bindparam("of_device"),
    claimed_keys.c.algorithm == sa.bindparam("of_algorithm"),
)
_SELECT: Final = Statement(
    sa.select(claimed_keys.c.key_id, claimed_keys.c.digest, claimed_keys.c.place)
    .where(*_OF_ALGORITHM)
    .order_by(claimed_keys.c.place.desc())
)
_INSERT: Final = insert_into(claimed_keys)
_FORGET: Final = Statement(
    sa.delete(claimed_keys).where(
        *_OF_ALGORITHM, claimed_keys.c.place <= sa.bindparam("forgotten_place")
    )
)


def add_claimed_keys(connection: Connection) -> None:
    """Make the table, as it was when it came."""
    binary = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    connection.exec_driver_sql(
        "CREATE TABLE claimed_keys (user_id TEXT NOT NULL, device_id TEXT NOT NULL, "
        "algorithm TEXT NOT NULL, place BIGINT NOT NULL, key_id TEXT NOT NULL, "
        f"digest {binary} NOT NULL, PRIMARY KEY (user_id, device_id, algorithm, place))"
    )


def select_claimed(connection: Connection, of: KeysOfDevice) -> set[tuple[str, bytes]]:
    """Return IDs and digests of the keys of a device that were given away last; forget others."""
    values = {"of_user": of.user_id, "of_device": of.device_id, "of_algorithm": of.algorithm}
    rows = _SELECT.rows(connection, values)
    if len(rows) > _REMEMBERED:
        _FORGET.run(connection, {**values, "forgotten_place": rows[_REMEMBERED][2]})
    return {(key_id, bytes(digest)) for key_id, digest, _ in rows[:_REMEMBERED]}


def insert_claimed(connection: Connection, taken: Iterable[tuple[KeysOfDevice, OldestKey]]) -> None:
    """Remember keys that are given away, by the end of the transaction.

    How many there are is bounded by the one-time keys that wait: uploads let the oldest go.
    """
    _INSERT.run_many_at_end(
        connection,
        [
            {
                **of._asdict(),
                "place": key.place,
                "key_id": key.key_id,
                "digest": digest_of(key.key),
            }
            for of, key in taken
        ],
    )


def digest_of(key: bytes) -> bytes:
    """Return what a key that was given away is known by."""
    return sha256(key).digest()
