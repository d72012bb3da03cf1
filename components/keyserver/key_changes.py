"""What the key server's transactions leave to be announced."""

from collections.abc import Collection
from typing import TypeAlias

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
    records: list[OutputKeyChange] = []
    for device_id in sorted(device_ids):
        keys = devices[device_id]
        keys.pop("unsigned", None)
        records.append(DeviceKeysChanged(user_id, device_id, orjson.dumps(keys)))
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
