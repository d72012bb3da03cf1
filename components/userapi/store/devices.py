"""Devices as their users see them: their names, and when and where they were last seen."""

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database, DatabaseOutage, SelectByKeys
from components.userapi.store.announcing import ClientDataAnnouncements
from components.userapi.store.tables import devices
from internalapi.userapi import KnownDevice
from logs.records.client_data import DeviceChanged
from matrix.errors import Unavailable
from matrix.identifiers import DeviceID, UserID

_OF_USERS: Final = SelectByKeys(
    sa.select(devices.c.user_id, devices.c.device_id, devices.c.number), devices.c.user_id
)


class Device(msgspec.Struct, frozen=True):
    """A device of a user."""

    device_id: DeviceID
    display_name: str | None
    last_seen_ms: int
    last_seen_address: str | None
    last_seen_user_agent: str | None
    is_dehydrated: bool = False
    """Whether nobody is logged in on it (`internalapi.userapi.DehydratedDevices`)."""


class DeviceStore:
    """Transactions over devices."""

    def __init__(self, database: Database, announcements: ClientDataAnnouncements) -> None:
        self._database = database
        self._announcements = announcements

    async def select_devices(self, user_id: UserID) -> list[Device]:
        """Return the devices of a user, ordered by ID."""
        query = _devices_of(user_id).order_by(devices.c.device_id)

        def select(connection: Connection) -> list[Device]:
            return [Device(*row) for row in connection.execute(query)]

        return await self._database.read(select)

    async def select_device(self, user_id: UserID, device_id: str) -> Device | None:
        """Return a device of a user."""
        query = _devices_of(user_id).where(devices.c.device_id == device_id)

        def select(connection: Connection) -> Device | None:
            row = connection.execute(query).first()
            return None if row is None else Device(*row)

        return await self._database.read(select)

    async def update_device(
        self, user_id: UserID, device_id: str, display_name: str | None
    ) -> bool:
        """Name a device, or with `None` leave it; false when there is no such device."""
        if display_name is None:
            return await self.select_device(user_id, device_id) is not None
        statement = (
            sa.update(devices)
            .where(_is(user_id, device_id))
            .values(display_name=display_name)
            .returning(devices.c.number)
        )

        def update(connection: Connection) -> bool:
            number = connection.scalar(statement)
            if number is not None:
                record = DeviceChanged(user_id, device_id, number, display_name)
                self._announcements.put(connection, record)
            return number is not None

        return await self._announcements.write(update)

    async def query_device_number(self, *, user_id: UserID, device_id: DeviceID) -> int | None:
        """Return the number of the device; `None` where there is no such."""
        query = sa.select(devices.c.number).where(_is(user_id, device_id))
        try:
            return await self._database.read(lambda connection: connection.scalar(query))
        except DatabaseOutage as outage:
            raise Unavailable("Devices cannot be read now.") from outage

    async def query_devices_of(self, *, user_ids: list[UserID]) -> list[KnownDevice]:
        """Return all devices of these users, in no order."""

        def select(connection: Connection) -> list[KnownDevice]:
            return [KnownDevice(*row) for row in _OF_USERS.rows(connection, user_ids)]

        try:
            return await self._database.read(select)
        except DatabaseOutage as outage:
            raise Unavailable("Devices cannot be read now.") from outage


def _is(user_id: str, device_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(devices.c.user_id == user_id, devices.c.device_id == device_id)


def _devices_of(user_id: UserID) -> sa.Select[Any]:
    return sa.select(
        devices.c.device_id,
        devices.c.display_name,
        devices.c.last_seen_ms,
        devices.c.last_seen_address,
        devices.c.last_seen_user_agent,
        devices.c.is_dehydrated,
    ).where(devices.c.user_id == user_id)
