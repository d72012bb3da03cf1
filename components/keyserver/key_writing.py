"""Writes the keys of a device, in a transaction."""

from typing import Final, NamedTuple

import orjson

from base.database import Connection
from components.keyserver.checked_keys import CheckedKeys, KeyOwner
from components.keyserver.key_changes import counts_changed, counts_of, keys_changed
from components.keyserver.store.claimable import (
    ClaimableKey,
    delete_claimable,
    insert_one_time_keys,
    select_fallback_key,
    select_one_time_keys,
    upsert_fallback_key,
)
from components.keyserver.store.cross_signing import select_public_keys
from components.keyserver.store.devices import (
    KeyDevice,
    delete_signatures_of,
    insert_device,
    lock_device,
    lock_user,
    restart_device,
    update_keys,
)
from logs.records.key_changes import DeviceKeysChanged, OutputKeyChange
from matrix.encryption_keys.device_keys import is_same_key, signing_key_of
from matrix.errors import Forbidden, InvalidParam, TooLarge


class DeviceUnknown(Exception):
    """The user API has not told of the device, or has told of its end."""

    def __init__(self, removals: int) -> None:
        super().__init__()
        self.removals: Final = removals


class DeviceGone(Exception):
    """Another device has its ID by now."""


class KeysReplaced(Exception):
    """Another upload has replaced the identity keys by which signatures were checked."""


class WrittenKeys(NamedTuple):
    """What came of an upload."""

    records: list[OutputKeyChange]
    """What is to be announced."""
    counts: dict[str, int]
    """How many one-time keys the device has, by algorithm."""


def locked_device(connection: Connection, owner: KeyOwner, known_at: int | None) -> KeyDevice:
    """Return the device, locked after its user; it is added where the user API is yet to tell.

    Raises `DeviceUnknown` unless it is known, or was there since so many removals, and
    `DeviceGone`.
    """
    user_id, device_id, number, name = owner
    place = lock_user(connection, user_id)
    device = lock_device(connection, user_id, device_id)
    if device is not None and device.number == number:
        return device
    # The user API tells in the order in which it makes and removes devices. So of a device with a
    # higher number than it has told of, it is yet to tell; otherwise it was asked, and has told of
    # no removal since.
    if number <= place.devices_told and place.removals != known_at:
        raise DeviceUnknown(place.removals)
    if device is None:
        return insert_device(connection, user_id, device_id, number, name)
    if device.number > number:
        raise DeviceGone
    # Another device had this ID. Its end is still to be told; its keys go now.
    has_lost_keys = restart_device(connection, user_id, device_id, number, name)
    return KeyDevice(number, None, device.next_place, has_lost_keys)


def write_keys(
    connection: Connection,
    owner: KeyOwner,
    device: KeyDevice,
    checked: CheckedKeys,
    one_time_keys_max: int,
) -> WrittenKeys:
    """Write the keys of a device that is locked.

    Raises `KeysReplaced`, `InvalidParam` for a one-time key that is another one, `TooLarge`, and
    `Forbidden` for a device named like a cross-signing key.
    """
    user_id, device_id = owner.user_id, owner.device_id
    if checked.device_keys is None and device.keys != checked.checked_with:
        raise KeysReplaced
    records: list[OutputKeyChange] = []
    is_new_identity = checked.device_keys not in (None, device.keys)
    if checked.device_keys is not None and is_new_identity:
        check_name(connection, owner)
        _replace_keys(connection, user_id, device_id, device.keys, checked.device_keys)
    is_changed = _add_one_time_keys(
        connection, owner, device, checked.one_time_keys, one_time_keys_max
    )
    for key in checked.fallback_keys:
        stored = select_fallback_key(connection, user_id, device_id, key.algorithm)
        if stored is None or (stored.key_id, stored.key) != (key.key_id, key.key):
            upsert_fallback_key(connection, user_id, device_id, key)
            is_changed = True
    if is_new_identity:
        records += keys_changed(connection, user_id, [device_id])
    elif device.has_lost_keys:
        records.append(DeviceKeysChanged(user_id, device_id, None))
    changed = counts_changed(connection, user_id, device_id)
    if is_changed or is_new_identity:
        records.append(changed)
    return WrittenKeys(records, changed.one_time_keys)


def check_name(connection: Connection, owner: KeyOwner) -> None:
    """Refuse a device whose ID a cross-signing key has. Raises `Forbidden`."""
    if owner.device_id in select_public_keys(connection, owner.user_id).values():
        raise Forbidden("A cross-signing key has the ID of this device.")


def _add_one_time_keys(
    connection: Connection,
    owner: KeyOwner,
    device: KeyDevice,
    keys: list[ClaimableKey],
    most: int,
) -> bool:
    user_id, device_id = owner.user_id, owner.device_id
    there = select_one_time_keys(connection, user_id, device_id, keys)
    new = []
    for key in keys:
        stored = there.get((key.algorithm, key.key_id))
        if stored is None:
            new.append(key)
        elif not is_same_key(orjson.loads(stored), orjson.loads(key.key)):
            # Some clients look for these words.
            name = f"{key.algorithm}:{key.key_id}"
            raise InvalidParam(f"One time key {name} already exists, and is another one.")
    if not new:
        return False
    count = sum(counts_of(connection, user_id, device_id).values())
    if count + len(new) > most:
        raise TooLarge("The device has too many one-time keys.")
    insert_one_time_keys(connection, user_id, device_id, device.next_place, new)
    return True


def _replace_keys(
    connection: Connection, user_id: str, device_id: str, before: bytes | None, keys: bytes
) -> None:
    if before is not None:
        # What was signed by the former key or with it is of no use.
        delete_signatures_of(connection, user_id, [device_id])
        if _signing_key(before, device_id) != _signing_key(keys, device_id):
            delete_claimable(connection, user_id, [device_id])
    update_keys(connection, user_id, device_id, keys)


def _signing_key(keys: bytes, device_id: str) -> str:
    return signing_key_of(orjson.loads(keys), device_id)
