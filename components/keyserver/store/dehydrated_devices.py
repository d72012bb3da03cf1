"""What belongs to dehydrated devices besides their keys, in a transaction."""

from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, upsert_into
from components.keyserver.store.tables import dehydrated_devices

_UPSERT: Final = upsert_into(dehydrated_devices, "device_id", "number", "device_data")


class StoredDehydratedDevice(NamedTuple):
    """A user's dehydrated device."""

    device_id: str
    number: int
    device_data: bytes
    """JSON object."""


def select_dehydrated_device(connection: Connection, user_id: str) -> StoredDehydratedDevice | None:
    """Return the dehydrated device of a user that was stored last."""
    of = dehydrated_devices.c
    query = sa.select(of.device_id, of.number, of.device_data).where(of.user_id == user_id)
    row = connection.execute(query).first()
    return None if row is None else StoredDehydratedDevice(row[0], row[1], bytes(row[2]))


def upsert_dehydrated_device(
    connection: Connection, user_id: str, device: StoredDehydratedDevice
) -> None:
    """Put a dehydrated device in the place of the one before."""
    _UPSERT.run(connection, {"user_id": user_id, **device._asdict()})


def delete_dehydrated_device(
    connection: Connection, user_id: str, device_id: str | None, number: int
) -> None:
    """Delete what belongs to a user's dehydrated device with a number up to this one.

    Without a device ID it is deleted whatever its ID is.
    """
    of = dehydrated_devices.c
    statement = sa.delete(dehydrated_devices).where(of.user_id == user_id, of.number <= number)
    if device_id is not None:
        statement = statement.where(of.device_id == device_id)
    connection.execute(statement)
