"""One-time keys and fallback keys of many devices at once, for claims: few statements for all."""

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement
from components.keyserver.store.tables import fallback_keys, key_devices, one_time_keys

_KEYS: Final = one_time_keys.c
_FALLBACKS: Final = fallback_keys.c


class KeysOfDevice(NamedTuple):
    """Which keys of a device: those of an algorithm."""

    user_id: str
    device_id: str
    algorithm: str


class OldestKey(NamedTuple):
    """The one-time key that is given next, and how many there are with it."""

    place: int
    key_id: str
    key: bytes
    there: int


class Fallback(NamedTuple):
    """A fallback key, and whether it was given to anybody."""

    key_id: str
    key: bytes
    is_used: bool


def _with_keys(counted: sa.Select[Any]) -> sa.Select[Any]:
    first = counted.subquery()
    same = [_KEYS[column.name] == column for column in first.c if column.name != "count"]
    return (
        sa.select(*[_KEYS[name] for name in KeysOfDevice._fields])
        .add_columns(_KEYS.place, _KEYS.key_id, _KEYS.key, first.c.count)
        .join_from(first, one_time_keys, sa.and_(*same))
    )


_LOCKED: Final = SelectByKeys(
    sa.select(key_devices.c.user_id, key_devices.c.device_id)
    .order_by(key_devices.c.user_id, key_devices.c.device_id)
    .with_for_update(),
    key_devices.c.user_id,
)
_OF_ALGORITHM: Final = (_KEYS.user_id, _KEYS.device_id, _KEYS.algorithm)
_OLDEST: Final = SelectByKeys(
    sa.select(
        *_OF_ALGORITHM,
        sa.func.min(_KEYS.place).label("place"),
        sa.func.count().label("count"),
    ).group_by(*_OF_ALGORITHM),
    _KEYS.user_id,
    _with_keys,
)
_DELETE_AT: Final = Statement(
    sa.delete(one_time_keys).where(
        _KEYS.user_id == sa.bindparam("of_user"),
        _KEYS.device_id == sa.bindparam("of_device"),
        _KEYS.algorithm == sa.bindparam("of_algorithm"),
        _KEYS.place == sa.bindparam("at_place"),
    )
)
_FALLBACK: Final = SelectByKeys(sa.select(*_FALLBACKS), _FALLBACKS.user_id)
_USE: Final = Statement(
    sa.update(fallback_keys)
    .where(
        _FALLBACKS.user_id == sa.bindparam("of_user"),
        _FALLBACKS.device_id == sa.bindparam("of_device"),
        _FALLBACKS.algorithm == sa.bindparam("of_algorithm"),
    )
    .values(is_used=sa.true())
)


def lock_devices_of_users(
    connection: Connection, user_ids: Collection[str]
) -> set[tuple[str, str]]:
    """Return the devices of users, by user and device ID.

    Until the end nobody else changes them or claims their keys. The users come in the order of
    their IDs (see `devices`).
    """
    return {(user_id, device_id) for user_id, device_id in _LOCKED.rows(connection, user_ids)}


def select_oldest(
    connection: Connection, user_ids: Collection[str]
) -> dict[KeysOfDevice, OldestKey]:
    """Return the oldest one-time key of each algorithm of all devices of users."""
    return {
        KeysOfDevice(*row[:3]): OldestKey(row[3], row[4], bytes(row[5]), row[6])
        for row in _OLDEST.rows(connection, user_ids)
    }


def delete_at(connection: Connection, taken: Iterable[tuple[KeysOfDevice, int]]) -> None:
    """Delete one-time keys, each given with its place."""
    rows = [{**_values(of), "at_place": place} for of, place in taken]
    _DELETE_AT.run_many(connection, rows)


def select_fallbacks(
    connection: Connection, user_ids: Collection[str]
) -> dict[KeysOfDevice, Fallback]:
    """Return the fallback keys of all devices of users."""
    return {
        KeysOfDevice(*row[:3]): Fallback(row[3], bytes(row[4]), bool(row[5]))
        for row in _FALLBACK.rows(connection, user_ids)
    }


def update_used(connection: Connection, used: Iterable[KeysOfDevice]) -> None:
    """Note that fallback keys have been given to somebody."""
    _USE.run_many(connection, [_values(of) for of in used])


def _values(of: KeysOfDevice) -> dict[str, Any]:
    return {"of_user": of.user_id, "of_device": of.device_id, "of_algorithm": of.algorithm}
