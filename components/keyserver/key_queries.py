"""Answers for keys and gives one-time keys away (`internalapi.keyserver.UserKeys`)."""

from typing import Any, Final

import orjson

from base.database import Connection, Database, DatabaseOutage
from components.keyserver.key_changes import KeyAnnouncements, counts_changed
from components.keyserver.shown_keys import read_keys
from components.keyserver.store.claimable import take_key
from components.keyserver.store.devices import lock_device
from internalapi.keyserver import FoundKeys
from logs.records.key_changes import KeyCountsChanged
from matrix.errors import Unavailable
from matrix.identifiers import DeviceID, UserID


class KeyQueries:
    """Keys of local users, from the database: any replica knows all."""

    def __init__(self, database: Database, announcements: KeyAnnouncements) -> None:
        self._database: Final = database
        self._announcements: Final = announcements

    async def query_keys(
        self, *, wanted: dict[UserID, list[DeviceID]], requester: UserID | None
    ) -> FoundKeys:
        """Return identity keys of devices, and cross-signing keys."""
        try:
            return await self._database.read(
                lambda connection: read_keys(connection, wanted, requester)
            )
        except DatabaseOutage as outage:
            raise Unavailable("Keys cannot be read now.") from outage

    async def perform_claim(
        self, *, wanted: dict[UserID, dict[DeviceID, str]]
    ) -> dict[UserID, dict[DeviceID, dict[str, Any]]]:
        """Take a one-time key of each device, or give its fallback key.

        What is taken is taken durably when this returns. How many are left is announced soon: it is
        news for the owners of the devices alone.
        """
        ordered = sorted(
            (user_id, device_id, algorithm)
            for user_id, devices in wanted.items()
            for device_id, algorithm in devices.items()
        )

        def claim(connection: Connection) -> dict[UserID, dict[DeviceID, dict[str, Any]]]:
            return self._claim(connection, ordered)

        try:
            return await self._announcements.commit(claim)
        except DatabaseOutage as outage:
            raise Unavailable("Keys cannot be claimed now.") from outage

    def _claim(
        self, connection: Connection, ordered: list[tuple[UserID, DeviceID, str]]
    ) -> dict[UserID, dict[DeviceID, dict[str, Any]]]:
        claimed: dict[UserID, dict[DeviceID, dict[str, Any]]] = {}
        changed: list[KeyCountsChanged] = []
        for user_id, device_id, algorithm in ordered:
            if lock_device(connection, user_id, device_id) is None:
                continue
            taken = take_key(connection, user_id, device_id, algorithm)
            if taken is not None:
                name = f"{algorithm}:{taken.key_id}"
                claimed.setdefault(user_id, {})[device_id] = {name: orjson.loads(taken.key)}
                if taken.is_change:
                    changed.append(counts_changed(connection, user_id, device_id))
        self._announcements.put_all(connection, changed)
        return claimed
