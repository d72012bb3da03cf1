"""One-time keys and fallback keys of a device, in a transaction that has locked it."""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement, insert_into, upsert_into
from components.keyserver.store.claimed_keys import (
    claimed_keys,
    digest_of,
    select_claimed,
)
from components.keyserver.store.claims import KeysOfDevice
from components.keyserver.store.tables import fallback_keys, key_devices, one_time_keys


def _of_device(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.user_id == sa.bindparam("of_user"),
        table.c.device_id == sa.bindparam("of_device"),
    )


_COUNTS: Final = Statement(
    sa.select(one_time_keys.c.algorithm, sa.func.count())
    .where(*_of_device(one_time_keys))
    .group_by(one_time_keys.c.algorithm)
)
_UNUSED: Final = Statement(
    sa.select(fallback_keys.c.algorithm)
    .where(*_of_device(fallback_keys), fallback_keys.c.is_used.is_(False))
    .order_by(fallback_keys.c.algorithm)
)
_BY_ID: Final = SelectByKeys(
    sa.select(one_time_keys.c.key_id, one_time_keys.c.key).where(
        *_of_device(one_time_keys), one_time_keys.c.algorithm == sa.bindparam("of_algorithm")
    ),
    one_time_keys.c.key_id,
)
_FALLBACK: Final = Statement(
    sa.select(fallback_keys.c.key_id, fallback_keys.c.key, fallback_keys.c.is_used).where(
        *_of_device(fallback_keys), fallback_keys.c.algorithm == sa.bindparam("of_algorithm")
    )
)
_NEXT_PLACE: Final = Statement(
    sa.update(key_devices).where(*_of_device(key_devices)).values(next_place=sa.bindparam("place"))
)
_INSERT_KEY: Final = insert_into(one_time_keys)
_UPSERT_FALLBACK: Final = upsert_into(fallback_keys, "key_id", "key", "is_used")


class ClaimableKey(NamedTuple):
    """A one-time key or a fallback key."""

    algorithm: str
    key_id: str
    key: bytes
    """JSON: a string, or an object with `key` and `signatures`."""


class FallbackKey(NamedTuple):
    """A fallback key of a device, and whether it was given to anybody."""

    key_id: str
    key: bytes
    is_used: bool


def _values(user_id: str, device_id: str, algorithm: str = "") -> dict[str, str]:
    return {"of_user": user_id, "of_device": device_id, "of_algorithm": algorithm}


def select_counts(connection: Connection, user_id: str, device_id: str) -> dict[str, int]:
    """Return how many one-time keys a device has by algorithm."""
    rows = _COUNTS.rows(connection, {"of_user": user_id, "of_device": device_id})
    return {algorithm: count for algorithm, count in rows}  # noqa: C416 (a row is no pair)


def select_unused_fallbacks(connection: Connection, user_id: str, device_id: str) -> list[str]:
    """Return the algorithms whose fallback keys nobody was given, in order."""
    rows = _UNUSED.rows(connection, {"of_user": user_id, "of_device": device_id})
    return [algorithm for (algorithm,) in rows]


def select_one_time_keys(
    connection: Connection, user_id: str, device_id: str, keys: Iterable[ClaimableKey]
) -> dict[tuple[str, str], bytes]:
    """Return the one-time keys that the device has under the IDs of these, by algorithm and ID."""
    wanted: dict[str, list[str]] = {}
    for one in keys:
        wanted.setdefault(one.algorithm, []).append(one.key_id)
    return {
        (algorithm, key_id): bytes(key)
        for algorithm, key_ids in wanted.items()
        for key_id, key in _BY_ID.rows(connection, key_ids, _values(user_id, device_id, algorithm))
    }


def select_fallback_key(
    connection: Connection, user_id: str, device_id: str, algorithm: str
) -> FallbackKey | None:
    """Return the fallback key of an algorithm."""
    row = _FALLBACK.run(connection, _values(user_id, device_id, algorithm)).first()
    return None if row is None else FallbackKey(row[0], bytes(row[1]), bool(row[2]))


def insert_one_time_keys(
    connection: Connection, user_id: str, device_id: str, place: int, keys: Iterable[ClaimableKey]
) -> None:
    """Add one-time keys after those that the device has; `place` is that of the first.

    Those that have been given away meanwhile are left out.
    """
    rows = [
        {
            "user_id": user_id,
            "device_id": device_id,
            "algorithm": one.algorithm,
            "place": place + number,
            "key_id": one.key_id,
            "key": one.key,
        }
        for number, one in enumerate(_unclaimed(connection, user_id, device_id, keys))
    ]
    _INSERT_KEY.run_many(connection, rows)
    following = {"of_user": user_id, "of_device": device_id, "place": place + len(rows)}
    _NEXT_PLACE.run(connection, following)


def _unclaimed(
    connection: Connection, user_id: str, device_id: str, keys: Iterable[ClaimableKey]
) -> list[ClaimableKey]:
    claimed: dict[str, set[tuple[str, bytes]]] = {}
    found: list[ClaimableKey] = []
    for one in keys:
        if one.algorithm not in claimed:
            of = KeysOfDevice(user_id, device_id, one.algorithm)
            claimed[one.algorithm] = select_claimed(connection, of)
        if (one.key_id, digest_of(one.key)) not in claimed[one.algorithm]:
            found.append(one)
    return found


def upsert_fallback_key(
    connection: Connection, user_id: str, device_id: str, key: ClaimableKey
) -> None:
    """Put a fallback key in the place of the one before; nobody has been given it."""
    values = {
        "user_id": user_id,
        "device_id": device_id,
        "algorithm": key.algorithm,
        "key_id": key.key_id,
        "key": key.key,
        "is_used": False,
    }
    _UPSERT_FALLBACK.run(connection, values)


def delete_claimable(connection: Connection, user_id: str, device_ids: Collection[str]) -> None:
    """Delete all one-time and fallback keys of devices, and what is known of those given away."""
    for table in (one_time_keys, claimed_keys, fallback_keys):
        connection.execute(
            sa.delete(table).where(
                table.c.user_id == user_id, table.c.device_id.in_(list(device_ids))
            )
        )
