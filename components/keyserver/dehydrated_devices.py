"""Takes dehydrated devices of users, gives them back and lets them go (MSC3814).

The user API makes and removes the device; its keys and what a client needs to go on with it are
stored here. A device that was made and whose keys were not stored, because a process was killed
between the two, is shown to nobody, and the repeat of the upload replaces it.
"""

from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from base.database import Connection, Database
from components.keyserver.checked_keys import (
    CheckedKeys,
    KeyOwner,
    UploadedKeys,
    check_sizes,
    checked_keys,
)
from components.keyserver.key_changes import KeyAnnouncements
from components.keyserver.key_writing import (
    DeviceGone,
    DeviceUnknown,
    check_name,
    locked_device,
    write_keys,
)
from components.keyserver.removals import remove_devices
from components.keyserver.settings import KeyServerSettings
from components.keyserver.store.cross_signing import select_public_keys, upsert_signatures
from components.keyserver.store.dehydrated_devices import (
    StoredDehydratedDevice,
    select_dehydrated_device,
    upsert_dehydrated_device,
)
from components.keyserver.store.devices import lock_devices_of, lock_user, select_keys
from internalapi.userapi import DehydratedDevices, KnownDevice
from logs.records.key_changes import OutputKeyChange
from matrix.canonical import encode_canonical
from matrix.encryption_keys.signed_keys import (
    KeySignatureInvalid,
    check_signature,
    signatures_by,
)
from matrix.errors import NotFound, TooLarge
from matrix.identifiers import DeviceID, UserID
from matrix.signing import ED25519


class DehydratedUpload(NamedTuple):
    """A dehydrated device as a client uploads it."""

    device_id: DeviceID
    display_name: str | None
    device_data: dict[str, Any]
    device_keys: dict[str, Any]
    one_time_keys: dict[str, Any]
    fallback_keys: dict[str, Any]


class FoundDehydratedDevice(NamedTuple):
    """A dehydrated device as a client gets it back."""

    device_id: str
    device_data: dict[str, Any]


class _New(NamedTuple):
    """A checked upload."""

    device_data: bytes
    keys: CheckedKeys
    signed_keys: dict[str, Any]
    """The identity keys with all signatures as they came."""


class DehydratedDeviceService:
    """The one dehydrated device that a user may have."""

    def __init__(
        self,
        database: Database,
        announcements: KeyAnnouncements,
        devices: DehydratedDevices,
        settings: KeyServerSettings,
    ) -> None:
        self._database: Final = database
        self._announcements: Final = announcements
        self._devices: Final = devices
        self._settings: Final = settings

    async def query_device(self, user_id: UserID) -> FoundDehydratedDevice:
        """Return the dehydrated device of a user. Raises `NotFound`."""
        known = await self._devices.query_dehydrated_device(user_id=user_id)
        stored = await self._database.read(partial(select_dehydrated_device, user_id=user_id))
        # What was removed as a device is gone, though its keys may go later.
        if known is None or stored is None or stored.number != known.number:
            raise NotFound("You have no dehydrated device.")
        return FoundDehydratedDevice(stored.device_id, orjson.loads(stored.device_data))

    async def perform_upload(self, user_id: UserID, upload: DehydratedUpload) -> None:
        """Put a dehydrated device in the place of the one before, whose keys go with it.

        The same one again changes nothing: keys of it that were claimed are not given twice.
        Raises `InvalidParam`, `BadJson`, `KeySignatureInvalid`, `TooLarge`, and `Forbidden` for a
        device named like a cross-signing key, or one too many.
        """
        device_id = upload.device_id
        new = self._checked(user_id, upload)
        owner = KeyOwner(user_id, device_id, 0)
        await self._database.read(lambda connection: check_name(connection, owner))
        known = await self._devices.query_dehydrated_device(user_id=user_id)
        if known is not None and known.device_id == device_id:
            is_stored = partial(_is_stored, known=known, new=new)
            if await self._announcements.write(is_stored):
                return
        number = await self._devices.perform_replace_dehydrated_device(
            user_id=user_id, device_id=device_id, display_name=upload.display_name
        )
        await self._store(KeyOwner(user_id, device_id, number, upload.display_name), new)

    async def perform_remove(self, user_id: UserID) -> DeviceID:
        """Remove the dehydrated device of a user, and return its ID. Raises `NotFound`."""
        removed = await self._devices.perform_remove_dehydrated_device(user_id=user_id)
        if removed is None:
            raise NotFound("You have no dehydrated device.")
        await self._announcements.write(partial(self._remove, removed=removed))
        return removed.device_id

    def _checked(self, user_id: UserID, upload: DehydratedUpload) -> _New:
        settings = self._settings
        device_data = encode_canonical(upload.device_data)
        if len(device_data) > settings.dehydrated_device_bytes_max:
            most = settings.dehydrated_device_bytes_max
            raise TooLarge(f"The data of a dehydrated device has at most {most} bytes.")
        if len(upload.one_time_keys) > settings.one_time_keys_per_device_max:
            raise TooLarge("The device has too many one-time keys.")
        keys = UploadedKeys(upload.device_keys, upload.one_time_keys, upload.fallback_keys)
        check_sizes(keys, settings)
        checked = checked_keys(user_id, upload.device_id, keys, None)
        return _New(device_data, checked, upload.device_keys)

    async def _store(self, owner: KeyOwner, new: _New) -> None:
        known_at: int | None = None
        while True:
            write = partial(self._write, owner=owner, new=new, known_at=known_at)
            try:
                await self._announcements.write(write)
            except DeviceUnknown as unknown:
                known_at = unknown.removals
            except DeviceGone:
                return
            else:
                return
            known = await self._devices.query_dehydrated_device(user_id=owner.user_id)
            if known is None or known.number != owner.number:
                # It was removed or replaced since it came, and has no keys that could stay.
                return

    def _write(
        self, connection: Connection, owner: KeyOwner, new: _New, known_at: int | None
    ) -> None:
        user_id, device_id = owner.user_id, owner.device_id
        lock_user(connection, user_id)
        former = select_dehydrated_device(connection, user_id)
        if former is not None and former.number > owner.number:
            # It was replaced by one whose keys came sooner.
            return
        lock_devices_of(connection, [user_id])
        device = locked_device(connection, owner, known_at)
        told: list[OutputKeyChange] = []
        if former is not None and former.device_id != device_id:
            told += remove_devices(connection, user_id, former.device_id, former.number)
        signatures = _self_signatures(connection, user_id, new.signed_keys)
        upsert_signatures(connection, user_id, device_id, user_id, signatures)
        most = self._settings.one_time_keys_per_device_max
        told += write_keys(connection, owner, device, new.keys, most).records
        stored = StoredDehydratedDevice(device_id, owner.number, new.device_data)
        upsert_dehydrated_device(connection, user_id, stored)
        self._announcements.put_all(connection, told)

    def _remove(self, connection: Connection, removed: KnownDevice) -> None:
        user_id = removed.user_id
        lock_user(connection, user_id)
        lock_devices_of(connection, [user_id])
        told = remove_devices(connection, user_id, removed.device_id, removed.number)
        self._announcements.put_all(connection, told)


def _is_stored(connection: Connection, known: KnownDevice, new: _New) -> bool:
    user_id, device_id, number = known.user_id, known.device_id, known.number
    stored = select_dehydrated_device(connection, user_id)
    return stored == (device_id, number, new.device_data) and new.keys.device_keys == select_keys(
        connection, user_id, device_id, number
    )


def _self_signatures(
    connection: Connection, user_id: UserID, device_keys: dict[str, Any]
) -> dict[str, str]:
    """Return the signature by the user's self-signing key, by its ID, where there is a valid one.

    Nobody is logged in on the device, so that nobody could verify it later.
    """
    public_key = select_public_keys(connection, user_id).get("self_signing")
    key_id = f"{ED25519}:{public_key}"
    signature = signatures_by(device_keys, user_id).get(key_id)
    if public_key is None or signature is None:
        return {}
    try:
        check_signature(device_keys, user_id, key_id, public_key)
    except KeySignatureInvalid:
        return {}
    return {key_id: signature}
