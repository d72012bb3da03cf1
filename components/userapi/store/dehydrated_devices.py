"""Dehydrated devices (MSC3814): a user has one at most, and nobody is logged in on it."""

from collections.abc import Callable
from typing import Final, TypeVar

import sqlalchemy as sa

from base.clock import Clock
from base.database import Connection, Database, DatabaseOutage
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.new_devices import NewDevice, insert_device
from components.userapi.store.sessions import check_account
from components.userapi.store.tables import devices
from internalapi.userapi import KnownDevice
from logs.records.client_data import DeviceChanged, OutputClientData, TokensRevoked
from matrix.errors import InvalidParam, Unavailable
from matrix.identifiers import DeviceID, UserID

R = TypeVar("R")


class DehydratedDeviceStore:
    """`internalapi.userapi.DehydratedDevices`."""

    def __init__(
        self,
        database: Database,
        announcements: ClientDataAnnouncements,
        clock: Clock,
        *,
        devices_max: int,
    ) -> None:
        self._database: Final = database
        self._announcements: Final = announcements
        self._clock: Final = clock
        self._devices_max: Final = devices_max

    async def query_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        """Return the dehydrated device of a user."""
        query = sa.select(devices.c.device_id, devices.c.number).where(_is_of(user_id))

        def select(connection: Connection) -> KnownDevice | None:
            row = connection.execute(query).first()
            return None if row is None else KnownDevice(user_id, *row)

        try:
            return await self._database.read(select)
        except DatabaseOutage as outage:
            raise Unavailable("Devices cannot be read now.") from outage

    async def perform_replace_dehydrated_device(
        self, *, user_id: UserID, device_id: DeviceID, display_name: str | None
    ) -> int:
        """Make a dehydrated device in the place of the one before, and return its number."""
        device = NewDevice(
            user_id, device_id, display_name, self._clock.now_ms(), is_dehydrated=True
        )

        def replace(connection: Connection) -> int:
            check_account(connection, user_id, lock=True)
            former = _delete(connection, user_id)
            number = insert_device(connection, device, self._devices_max)
            if number is None:
                raise InvalidParam("Another device of yours has this ID.")
            made = DeviceChanged(user_id, device_id, number, display_name)
            self._announcements.put_all(connection, [*_removed(former), made])
            return number

        return await self._write(replace)

    async def perform_remove_dehydrated_device(self, *, user_id: UserID) -> KnownDevice | None:
        """Remove the dehydrated device of a user, and return it."""

        def remove(connection: Connection) -> KnownDevice | None:
            former = _delete(connection, user_id)
            self._announcements.put_all(connection, _removed(former))
            return former

        return await self._write(remove)

    async def _write(self, work: Callable[[Connection], R]) -> R:
        try:
            # No wait for leases: the device has no tokens that anybody could remember.
            result = await self._announcements.commit(work)
        except DatabaseOutage as outage:
            raise Unavailable("Devices cannot be changed now.") from outage
        await self._announcements.wait_announced()
        return result


def _is_of(user_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(devices.c.user_id == user_id, devices.c.is_dehydrated.is_(sa.true()))


def _delete(connection: Connection, user_id: UserID) -> KnownDevice | None:
    statement = sa.delete(devices).where(_is_of(user_id))
    row = connection.execute(statement.returning(devices.c.device_id, devices.c.number)).first()
    return None if row is None else KnownDevice(user_id, *row)


def _removed(device: KnownDevice | None) -> list[OutputClientData]:
    if device is None:
        return []
    return [TokensRevoked(device.user_id, device.device_id, removed_up_to=device.number)]
