"""What the key server's transactions leave to be announced."""

from collections.abc import Collection
from typing import Any, TypeAlias

import orjson

from base.database import Connection
from components.keyserver.shown_keys import read_keys
from components.keyserver.store.claimable import select_counts, select_unused_fallbacks
from logs.announcing.announcements import Announcements
from logs.records.key_changes import (
    CrossSigningKeysChanged,
    DeviceKeysChanged,
    KeyCountsChanged,
    OutputKeyChange,
)
from matrix.encryption_keys.device_keys import SIGNED_CURVE25519
from matrix.identifiers import DeviceID, UserID

KeyAnnouncements: TypeAlias = Announcements[OutputKeyChange]


def counts_of(connection: Connection, user_id: str, device_id: str) -> dict[str, int]:
    """Return how many one-time keys a device has, of the usual algorithm always."""
    return {SIGNED_CURVE25519: 0, **select_counts(connection, user_id, device_id)}


def counts_changed(connection: Connection, user_id: str, device_id: str) -> KeyCountsChanged:
    """Return the record of how many keys of a device can be claimed now."""
    return KeyCountsChanged(
        user_id,
        device_id,
        counts_of(connection, user_id, device_id),
        select_unused_fallbacks(connection, user_id, device_id),
    )


def device_keys_changed(
    connection: Connection, devices: dict[UserID, list[DeviceID]]
) -> list[DeviceKeysChanged]:
    """Return the records of identity keys of some devices of each user, in the order given."""
    found = read_keys(connection, devices, None).device_keys
    return [
        _device_keys_changed(user_id, device_id, found[user_id][device_id])
        for user_id, device_ids in devices.items()
        for device_id in device_ids
    ]


def _device_keys_changed(
    user_id: UserID, device_id: DeviceID, keys: dict[str, Any]
) -> DeviceKeysChanged:
    keys.pop("unsigned", None)
    return DeviceKeysChanged(user_id, device_id, orjson.dumps(keys))


def keys_changed(
    connection: Connection,
    user_id: UserID,
    device_ids: Collection[DeviceID],
    *,
    with_cross_signing: bool = False,
) -> list[OutputKeyChange]:
    """Return the records of identity keys of devices, and of a user's, as everybody sees them."""
    found = read_keys(connection, {user_id: []}, None)
    devices = found.device_keys[user_id]
    records: list[OutputKeyChange] = [
        _device_keys_changed(user_id, device_id, devices[device_id])
        for device_id in sorted(device_ids)
    ]
    if with_cross_signing:
        master = found.master_keys.get(user_id)
        self_signing = found.self_signing_keys.get(user_id)
        records.append(
            CrossSigningKeysChanged(
                user_id,
                None if master is None else orjson.dumps(master),
                None if self_signing is None else orjson.dumps(self_signing),
            )
        )
    return records
