"""Takes the keys that a device uploads (client-server API, "Key management API")."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from base.database import Connection, Database
from components.keyserver.key_changes import (
    KeyAnnouncements,
    counts_changed,
    counts_of,
    keys_changed,
)
from components.keyserver.settings import KeyServerSettings
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
    select_keys,
    update_keys,
)
from internalapi.userapi import Devices, Requester
from logs.records.key_changes import OutputKeyChange
from matrix.canonical import encode_canonical
from matrix.encryption_keys.device_keys import (
    checked_claimable,
    checked_device_keys,
    is_same_key,
    signing_key_of,
)
from matrix.errors import Forbidden, InvalidParam, TooLarge, UnknownToken

_NAME_BYTES_MAX: Final = 255


class UploadedKeys(NamedTuple):
    """The keys of an upload as they came: objects by names, or nothing."""

    device_keys: Mapping[str, Any] | None
    one_time_keys: Mapping[str, Any]
    fallback_keys: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether the upload only asks how many keys there are."""
        return self.device_keys is None and not self.one_time_keys and not self.fallback_keys


class _Checked(NamedTuple):
    """Keys of an upload, signatures checked."""

    device_keys: bytes | None
    checked_with: bytes | None
    """The identity keys by which signatures were checked."""
    one_time_keys: list[ClaimableKey]
    fallback_keys: list[ClaimableKey]


class _DeviceUnknown(Exception):
    """The user API has not told of the device, or has told of its end."""

    def __init__(self, removals: int) -> None:
        super().__init__()
        self.removals = removals


class _KeysReplaced(Exception):
    """Another upload has replaced the identity keys by which signatures were checked."""


class KeyUploads:
    """Stores what devices upload, and announces it."""

    def __init__(
        self,
        database: Database,
        announcements: KeyAnnouncements,
        devices: Devices,
        settings: KeyServerSettings,
    ) -> None:
        self._database: Final = database
        self._announcements: Final = announcements
        self._devices: Final = devices
        self._settings: Final = settings

    async def perform_upload(self, requester: Requester, upload: UploadedKeys) -> dict[str, int]:
        """Store keys of the requester's device; return how many one-time keys it has.

        All is stored, or nothing. Raises `InvalidParam`, `BadJson`, `KeySignatureInvalid`,
        `TooLarge`, `Forbidden` for a device named like a cross-signing key, and `UnknownToken`
        where the device is gone.
        """
        user_id, device_id = requester.user_id, requester.device_id
        if upload.is_empty:
            return await self._database.read(
                lambda connection: counts_of(connection, user_id, device_id)
            )
        self._check_sizes(upload)
        known_at: int | None = None
        while True:
            keys = await self._database.read(
                lambda connection: select_keys(
                    connection, user_id, device_id, requester.device_number
                )
            )
            checked = self._checked(requester, upload, keys)
            try:
                return await self._store(requester, checked, known_at)
            except _DeviceUnknown as unknown:
                known_at = unknown.removals
            except _KeysReplaced:
                continue
            number = await self._devices.query_device_number(user_id=user_id, device_id=device_id)
            if number != requester.device_number:
                raise UnknownToken("The device is logged out.", soft_logout=False)

    def _check_sizes(self, upload: UploadedKeys) -> None:
        settings = self._settings
        claimable = [*upload.one_time_keys.items(), *upload.fallback_keys.items()]
        if len(claimable) > settings.keys_per_upload_max:
            raise TooLarge(f"At most {settings.keys_per_upload_max} keys are taken at once.")
        for name, key in claimable:
            if len(name.encode()) > _NAME_BYTES_MAX or "\0" in name:
                raise InvalidParam("The ID of a key has a NUL in it or is too long.")
            self._check_size(key)
        if upload.device_keys is not None:
            self._check_size(upload.device_keys)

    def _check_size(self, key: Any) -> None:
        if len(encode_canonical(key)) > self._settings.key_bytes_max:
            raise TooLarge(f"A key has at most {self._settings.key_bytes_max} bytes.")

    def _checked(
        self, requester: Requester, upload: UploadedKeys, stored: bytes | None
    ) -> _Checked:
        user_id, device_id = requester.user_id, requester.device_id
        identity = None if stored is None else orjson.loads(stored)
        if upload.device_keys is not None:
            identity = checked_device_keys(upload.device_keys, user_id, device_id)

        def claimable(keys: Mapping[str, Any]) -> list[ClaimableKey]:
            return [
                ClaimableKey(
                    *checked_claimable(name, key, user_id, device_id, identity),
                    encode_canonical(key),
                )
                for name, key in keys.items()
            ]

        fallbacks = claimable(upload.fallback_keys)
        if len({one.algorithm for one in fallbacks}) < len(fallbacks):
            raise InvalidParam("There is one fallback key for each algorithm.")
        return _Checked(
            None if upload.device_keys is None else encode_canonical(identity),
            stored,
            claimable(upload.one_time_keys),
            fallbacks,
        )

    async def _store(
        self, requester: Requester, checked: _Checked, known_at: int | None
    ) -> dict[str, int]:
        """Raise `_DeviceUnknown` unless the device is known, or was there since so many removals.

        Raises `_KeysReplaced`, too.
        """

        def work(connection: Connection) -> dict[str, int]:
            device = _locked(connection, requester, known_at)
            return self._write(connection, requester, device, checked)

        return await self._announcements.write(work)

    def _write(
        self, connection: Connection, requester: Requester, device: KeyDevice, checked: _Checked
    ) -> dict[str, int]:
        user_id, device_id = requester.user_id, requester.device_id
        if checked.device_keys is None and device.keys != checked.checked_with:
            raise _KeysReplaced
        records: list[OutputKeyChange] = []
        is_new_identity = checked.device_keys not in (None, device.keys)
        if checked.device_keys is not None and is_new_identity:
            if device_id in select_public_keys(connection, user_id).values():
                raise Forbidden("A cross-signing key has the ID of this device.")
            _replace_keys(connection, user_id, device_id, device.keys, checked.device_keys)
        is_changed = self._add_one_time_keys(connection, requester, device, checked.one_time_keys)
        for key in checked.fallback_keys:
            stored = select_fallback_key(connection, user_id, device_id, key.algorithm)
            if stored is None or (stored.key_id, stored.key) != (key.key_id, key.key):
                upsert_fallback_key(connection, user_id, device_id, key)
                is_changed = True
        if is_new_identity:
            records += keys_changed(connection, user_id, [device_id])
        changed = counts_changed(connection, user_id, device_id)
        if is_changed or is_new_identity:
            records.append(changed)
        self._announcements.put_all(connection, records)
        return changed.one_time_keys

    def _add_one_time_keys(
        self,
        connection: Connection,
        requester: Requester,
        device: KeyDevice,
        keys: list[ClaimableKey],
    ) -> bool:
        user_id, device_id = requester.user_id, requester.device_id
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
        if count + len(new) > self._settings.one_time_keys_per_device_max:
            raise TooLarge("The device has too many one-time keys.")
        insert_one_time_keys(connection, user_id, device_id, device.next_place, new)
        return True


def _locked(connection: Connection, requester: Requester, known_at: int | None) -> KeyDevice:
    user_id, device_id = requester.user_id, requester.device_id
    place = lock_user(connection, user_id)
    device = lock_device(connection, user_id, device_id)
    number = requester.device_number
    if device is not None and device.number == number:
        return device
    # The user API tells in the order in which it makes and removes devices. So of a device with a
    # higher number than it has told of, it is yet to tell; otherwise it was asked, and has told of
    # no removal since.
    if number <= place.devices_told and place.removals != known_at:
        raise _DeviceUnknown(place.removals)
    if device is None:
        return insert_device(connection, user_id, device_id, number, None)
    if device.number > number:
        raise UnknownToken("The device is logged out.", soft_logout=False)
    # Another device had this ID. Its end is still to be told; its keys go now.
    restart_device(connection, user_id, device_id, number, None)
    return KeyDevice(number, None, device.next_place)


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
