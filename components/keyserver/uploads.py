"""Takes the keys that a device uploads (client-server API, "Key management API")."""

from typing import Final

from base.database import Connection, Database
from components.keyserver.checked_keys import (
    CheckedKeys,
    KeyOwner,
    UploadedKeys,
    check_sizes,
    checked_keys,
)
from components.keyserver.key_changes import KeyAnnouncements, counts_of
from components.keyserver.key_writing import (
    DeviceGone,
    DeviceUnknown,
    KeysReplaced,
    locked_device,
    write_keys,
)
from components.keyserver.settings import KeyServerSettings
from components.keyserver.store.devices import select_keys
from internalapi.userapi import Devices, Requester
from matrix.errors import UnknownToken


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
        owner = KeyOwner(user_id, device_id, requester.device_number)
        if upload.is_empty:
            return await self._database.read(
                lambda connection: counts_of(connection, user_id, device_id)
            )
        check_sizes(upload, self._settings)
        known_at: int | None = None
        while True:
            keys = await self._database.read(
                lambda connection: select_keys(connection, user_id, device_id, owner.number)
            )
            checked = checked_keys(user_id, device_id, upload, keys)
            try:
                return await self._store(owner, checked, known_at)
            except DeviceUnknown as unknown:
                known_at = unknown.removals
            except KeysReplaced:
                continue
            except DeviceGone:
                break
            number = await self._devices.query_device_number(user_id=user_id, device_id=device_id)
            if number != owner.number:
                break
        raise UnknownToken("The device is logged out.", soft_logout=False)

    async def _store(
        self, owner: KeyOwner, checked: CheckedKeys, known_at: int | None
    ) -> dict[str, int]:
        def work(connection: Connection) -> dict[str, int]:
            device = locked_device(connection, owner, known_at)
            most = self._settings.one_time_keys_per_device_max
            written = write_keys(connection, owner, device, checked, most)
            self._announcements.put_all(connection, written.records)
            return written.counts

        return await self._announcements.write(work)
