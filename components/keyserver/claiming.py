"""Takes one-time keys of many devices in one transaction."""

from typing import Any, Final

import orjson

from base.database import Connection
from components.keyserver.store.claimed_keys import insert_claimed
from components.keyserver.store.claims import (
    Fallback,
    KeysOfDevice,
    OldestKey,
    delete_at,
    lock_devices_of_users,
    select_fallbacks,
    select_oldest,
    update_used,
)
from logs.records.key_changes import KeyCountsChanged
from matrix.encryption_keys.device_keys import SIGNED_CURVE25519
from matrix.identifiers import DeviceID, UserID

Wanted = dict[UserID, dict[DeviceID, str]]
"""By user and device which algorithm's key is wanted."""
Claimed = dict[UserID, dict[DeviceID, dict[str, Any]]]


def claim_keys(connection: Connection, wanted: Wanted) -> tuple[Claimed, list[KeyCountsChanged]]:
    """Take the oldest one-time key of each device, or give its fallback key where none is left.

    Returns also which devices have other keys to be claimed than before.
    """
    user_ids = sorted(wanted)
    there = lock_devices_of_users(connection, user_ids)
    claim = _Claim(select_oldest(connection, user_ids), select_fallbacks(connection, user_ids))
    for user_id in user_ids:
        for device_id, algorithm in sorted(wanted[user_id].items()):
            if (user_id, device_id) in there:
                claim.take(user_id, device_id, algorithm)
    delete_at(connection, [(of, key.place) for of, key in claim.taken])
    insert_claimed(connection, claim.taken)
    update_used(connection, claim.used)
    return claim.given, claim.changes()


class _Claim:
    """The keys that there are, and those that are taken of them."""

    def __init__(
        self, oldest: dict[KeysOfDevice, OldestKey], fallbacks: dict[KeysOfDevice, Fallback]
    ) -> None:
        self.given: Final[Claimed] = {}
        self.taken: Final[list[tuple[KeysOfDevice, OldestKey]]] = []
        self.used: Final[list[KeysOfDevice]] = []
        self._oldest = oldest
        self._fallbacks = fallbacks

    def take(self, user_id: UserID, device_id: DeviceID, algorithm: str) -> None:
        """Take a key of a device, if it has any of this algorithm."""
        of = KeysOfDevice(user_id, device_id, algorithm)
        key: OldestKey | Fallback | None = self._oldest.get(of)
        if isinstance(key, OldestKey):
            self.taken.append((of, key))
        else:
            key = self._fallbacks.get(of)
            if key is None:
                return
            if not key.is_used:
                self.used.append(of)
        name = f"{algorithm}:{key.key_id}"
        self.given.setdefault(user_id, {})[device_id] = {name: orjson.loads(key.key)}

    def changes(self) -> list[KeyCountsChanged]:
        """Return how many keys of each changed device can be claimed now."""
        taken, used = {of for of, _ in self.taken}, set(self.used)
        changed = {of[:2] for of in (*taken, *used)}
        counts: dict[tuple[str, str], dict[str, int]] = {
            device: {SIGNED_CURVE25519: 0} for device in changed
        }
        for of, key in self._oldest.items():
            left = key.there - (of in taken)
            if left and of[:2] in changed:
                counts[of[:2]][of.algorithm] = left
        unused: dict[tuple[str, str], list[str]] = {device: [] for device in changed}
        for of, fallback in sorted(self._fallbacks.items()):
            if of[:2] in changed and not fallback.is_used and of not in used:
                unused[of[:2]].append(of.algorithm)
        return [
            KeyCountsChanged(*device, counts[device], unused[device]) for device in sorted(changed)
        ]
