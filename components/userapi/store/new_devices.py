"""Devices as they come: each gets a number that no device of the user has had before."""

from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement, insert_for
from components.userapi.store.tables import accounts, devices
from matrix.errors import Forbidden
from matrix.identifiers import DeviceID, UserID

_COUNT_DEVICES: Final = Statement(
    sa.select(sa.func.count()).where(devices.c.user_id == sa.bindparam("of_user"))
)
_NUMBER_DEVICE: Final = Statement(
    sa.update(accounts)
    .where(accounts.c.user_id == sa.bindparam("of_user"))
    .values(devices_made=accounts.c.devices_made + sa.literal_column("1"))
    .returning(accounts.c.devices_made)
)
_INSERT_DEVICE: Final = Statement(
    lambda dialect: (
        insert_for(dialect, devices)
        .values({column.name: sa.bindparam(column.name) for column in devices.columns})
        .on_conflict_do_nothing()
        .returning(devices.c.device_id)
    )
)


class TooManyDevices(Forbidden):
    """You have too many devices: log out some of them first."""


class NewDevice(NamedTuple):
    """A device that a user is to have."""

    user_id: UserID
    device_id: DeviceID
    display_name: str | None
    now_ms: int
    address: str | None = None
    user_agent: str | None = None
    is_dehydrated: bool = False


def insert_device(connection: Connection, device: NewDevice, devices_max: int) -> int | None:
    """Add a device, and return its number; `None` where the user has one with this ID.

    Raises `TooManyDevices`.
    """
    [(counted,)] = _COUNT_DEVICES.rows(connection, {"of_user": device.user_id})
    if counted >= devices_max:
        raise TooManyDevices
    [(number,)] = _NUMBER_DEVICE.rows(connection, {"of_user": device.user_id})
    values = {
        "user_id": device.user_id,
        "device_id": device.device_id,
        "display_name": device.display_name,
        "created_at_ms": device.now_ms,
        "last_seen_ms": device.now_ms,
        "last_seen_address": device.address,
        "last_seen_user_agent": device.user_agent,
        "number": number,
        "is_dehydrated": device.is_dehydrated,
    }
    return number if _INSERT_DEVICE.rows(connection, values) else None
