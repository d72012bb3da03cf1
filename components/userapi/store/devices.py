"""Devices as their users see them: their names, and when and where they were last seen."""

from typing import Any

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database
from components.userapi.store.tables import devices
from matrix.identifiers import DeviceID, UserID


class Device(msgspec.Struct, frozen=True):
    """A device of a user."""

    device_id: DeviceID
    display_name: str | None
    last_seen_ms: int
    last_seen_address: str | None
    last_seen_user_agent: str | None


class DeviceStore:
    """Transactions over devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        change: dict[str, Any] = {"device_id": device_id}
        if display_name is not None:
            change["display_name"] = display_name
        statement = sa.update(devices).where(_is(user_id, device_id)).values(change)
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )


def _is(user_id: str, device_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(devices.c.user_id == user_id, devices.c.device_id == device_id)


def _devices_of(user_id: UserID) -> sa.Select[Any]:
    return sa.select(
        devices.c.device_id,
        devices.c.display_name,
        devices.c.last_seen_ms,
        devices.c.last_seen_address,
        devices.c.last_seen_user_agent,
    ).where(devices.c.user_id == user_id)
