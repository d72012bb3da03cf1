"""Lets the keys of devices go, in a transaction."""

from base.database import Connection
from components.keyserver.store.dehydrated_devices import delete_dehydrated_device
from components.keyserver.store.devices import delete_devices, select_removed
from logs.records.key_changes import DeviceKeysChanged, OutputKeyChange


def remove_devices(
    connection: Connection, user_id: str, device_id: str | None, number: int
) -> list[OutputKeyChange]:
    """Delete devices of a user with numbers up to this one, of one ID or all; nobody has others.

    Returns what is to be announced. Devices that are gone already change nothing.
    """
    removed = select_removed(connection, user_id, device_id, number)
    delete_devices(connection, user_id, [removed_id for removed_id, _ in removed])
    delete_dehydrated_device(connection, user_id, device_id, number)
    return [
        DeviceKeysChanged(user_id, removed_id, None) for removed_id, has_keys in removed if has_keys
    ]
