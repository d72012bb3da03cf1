"""Devices and their identity keys, in a transaction.

Locks are taken in this order, so that no two transactions wait for each other: users, then
devices, each in the order of their IDs; then partitions of the announcements.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement, insert_for, insert_into
from components.keyserver.store.claimable import delete_claimable
from components.keyserver.store.tables import key_devices, key_signatures, key_users

_IS_DEVICE: Final = (
    key_devices.c.user_id == sa.bindparam("of_user"),
    key_devices.c.device_id == sa.bindparam("of_device"),
)
_INSERT_USER: Final = Statement(
    lambda dialect: (
        insert_for(dialect, key_users)
        .values(
            user_id=sa.bindparam("of_user"),
            devices_told=sa.literal_column("0"),
            removals=sa.literal_column("0"),
        )
        .on_conflict_do_nothing()
    )
)
_LOCK_USER: Final = Statement(
    sa.select(key_users.c.devices_told, key_users.c.removals)
    .where(key_users.c.user_id == sa.bindparam("of_user"))
    .with_for_update()
)
_UPDATE_USER: Final = Statement(
    sa.update(key_users)
    .where(key_users.c.user_id == sa.bindparam("of_user"))
    .values(devices_told=sa.bindparam("new_told"), removals=sa.bindparam("new_removals"))
)
_LOCK_DEVICES: Final = Statement(
    sa.select(key_devices.c.device_id, key_devices.c.number)
    .where(key_devices.c.user_id == sa.bindparam("of_user"))
    .order_by(key_devices.c.device_id)
    .with_for_update()
)
_LOCK_DEVICE: Final = Statement(
    sa.select(key_devices.c.number, key_devices.c["keys"], key_devices.c.next_place)
    .where(*_IS_DEVICE)
    .with_for_update()
)
_INSERT_DEVICE: Final = insert_into(key_devices)
_UPDATE_KEYS: Final = Statement(
    sa.update(key_devices).where(*_IS_DEVICE).values(keys=sa.bindparam("new_keys"))
)
_NAME_DEVICE: Final = Statement(
    sa.update(key_devices).where(*_IS_DEVICE).values(display_name=sa.bindparam("new_name"))
)
_RESTART_DEVICE: Final = Statement(
    sa.update(key_devices)
    .where(*_IS_DEVICE)
    .values(number=sa.bindparam("new_number"), display_name=sa.bindparam("new_name"), keys=None)
)


class UserPlace(NamedTuple):
    """What is known of a user's devices from the user API."""

    devices_told: int
    removals: int


class KeyDevice(NamedTuple):
    """A device as its own uploads find it."""

    number: int
    keys: bytes | None
    next_place: int
    has_lost_keys: bool = False
    """Whether the device that had this ID before had identity keys until now."""


def lock_user(connection: Connection, user_id: str) -> UserPlace:
    """Return what is known of a user's devices; until the end nobody else changes it."""
    values = {"of_user": user_id}
    rows = _LOCK_USER.rows(connection, values)
    if not rows:
        _INSERT_USER.change(connection, values)
        rows = _LOCK_USER.rows(connection, values)
    return UserPlace(*rows[0])


def lock_device(connection: Connection, user_id: str, device_id: str) -> KeyDevice | None:
    """Return a device; until the end nobody else changes it or claims its keys."""
    values = {"of_user": user_id, "of_device": device_id}
    for number, keys, next_place in _LOCK_DEVICE.rows(connection, values):
        return KeyDevice(number, None if keys is None else bytes(keys), next_place)
    return None


def insert_device(
    connection: Connection, user_id: str, device_id: str, number: int, display_name: str | None
) -> KeyDevice:
    """Add a device that has no keys yet."""
    values = {
        "user_id": user_id,
        "device_id": device_id,
        "number": number,
        "display_name": display_name,
        "keys": None,
        "next_place": 0,
    }
    _INSERT_DEVICE.change(connection, values)
    return KeyDevice(number, None, 0)


def update_display_name(
    connection: Connection, user_id: str, device_id: str, display_name: str | None
) -> None:
    """Give a device another name, or none."""
    values = {"of_user": user_id, "of_device": device_id, "new_name": display_name}
    _NAME_DEVICE.change(connection, values)


def restart_device(
    connection: Connection, user_id: str, device_id: str, number: int, display_name: str | None
) -> bool:
    """Let another device have this ID: the keys of the one before go, and signatures with them.

    Places of one-time keys go on where they were. Returns whether identity keys have gone.
    """
    former = lock_device(connection, user_id, device_id)
    delete_claimable(connection, user_id, [device_id])
    delete_signatures_of(connection, user_id, [device_id])
    values = {
        "of_user": user_id,
        "of_device": device_id,
        "new_number": number,
        "new_name": display_name,
    }
    _RESTART_DEVICE.change(connection, values)
    return former is not None and former.keys is not None


def update_keys(connection: Connection, user_id: str, device_id: str, keys: bytes) -> None:
    """Give a device identity keys."""
    values = {"of_user": user_id, "of_device": device_id, "new_keys": keys}
    _UPDATE_KEYS.change(connection, values)


def update_user(connection: Connection, user_id: str, place: UserPlace) -> None:
    """Note how far the user API has told of a user's devices."""
    values = {
        "of_user": user_id,
        "new_told": place.devices_told,
        "new_removals": place.removals,
    }
    _UPDATE_USER.change(connection, values)


def lock_devices_of(connection: Connection, user_ids: Iterable[str]) -> dict[tuple[str, str], int]:
    """Return by user and device ID the numbers of all devices of these users.

    Nobody else changes them, or claims their keys, until the end.
    """
    return {
        (user_id, device_id): number
        for user_id in sorted(user_ids)
        for device_id, number in _LOCK_DEVICES.rows(connection, {"of_user": user_id})
    }


def select_removed(
    connection: Connection, user_id: str, device_id: str | None, number: int
) -> Sequence[tuple[str, bool]]:
    """Return a user's devices up to a number, of one ID or all, and whether they have keys."""
    of = key_devices.c
    query = (
        sa.select(of.device_id, of["keys"].is_not(None))
        .where(of.user_id == user_id, of.number <= number)
        .order_by(of.device_id)
    )
    if device_id is not None:
        query = query.where(of.device_id == device_id)
    return [(found, bool(has_keys)) for found, has_keys in connection.execute(query)]


def delete_devices(connection: Connection, user_id: str, device_ids: Collection[str]) -> None:
    """Delete devices with all their keys, and the signatures on them and by them."""
    of = key_devices.c
    connection.execute(
        sa.delete(key_devices).where(of.user_id == user_id, of.device_id.in_(list(device_ids)))
    )
    delete_claimable(connection, user_id, device_ids)
    delete_signatures_of(connection, user_id, device_ids)


def delete_signatures_of(connection: Connection, user_id: str, device_ids: Collection[str]) -> None:
    """Delete the signatures on the keys of devices, and those that the devices made."""
    of = key_signatures.c
    connection.execute(
        sa.delete(key_signatures).where(
            of.target_user_id == user_id, of.target_id.in_(list(device_ids))
        )
    )
    connection.execute(
        sa.delete(key_signatures).where(
            of.signer_id == user_id, of.key_id.in_([f"ed25519:{one}" for one in device_ids])
        )
    )


def select_keys(connection: Connection, user_id: str, device_id: str, number: int) -> bytes | None:
    """Return the identity keys of a device, without a lock."""
    query = sa.select(key_devices.c["keys"]).where(
        key_devices.c.user_id == user_id,
        key_devices.c.device_id == device_id,
        key_devices.c.number == number,
    )
    found = connection.scalar(query)
    return None if found is None else bytes(found)
