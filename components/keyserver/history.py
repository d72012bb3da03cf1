"""The keys of all users, for readers that are rebuilt (`internalapi.keyserver.KeyHistory`)."""

from collections.abc import Sequence
from typing import Final

from base.database import Connection, Database
from components.keyserver.key_changes import counts_changed, device_keys_changed, keys_changed
from components.keyserver.store.history import select_devices_after, select_users_after
from internalapi.keyserver import KeyHistoryPage
from logs.records.key_changes import OutputKeyChange
from logs.topics import OUTPUT_KEY_CHANGE
from matrix.identifiers import DeviceID, UserID

_MOST: Final = 500
_DEVICES: Final = "devices"
_USERS: Final = "users"


class KeyHistoryReader:
    """`internalapi.keyserver.KeyHistory`, from the database, opened with `SCHEMA`."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def query_key_changes(self, *, after: list[str], limit: int) -> KeyHistoryPage:
        """Return identity keys and counts of devices, then cross-signing keys, by user."""
        kind, *key = after or [_DEVICES]
        # A device has two records.
        most = max(1, min(limit, _MOST) // 2)
        return await self._database.read(
            lambda connection: (
                _devices(connection, key, most)
                if kind == _DEVICES
                else _users(connection, key, most)
            )
        )


def _devices(connection: Connection, key: Sequence[str], most: int) -> KeyHistoryPage:
    found = select_devices_after(connection, key, most)
    with_keys: dict[UserID, list[DeviceID]] = {}
    for user_id, device_id, has_keys in found:
        if has_keys:
            with_keys.setdefault(UserID(user_id), []).append(DeviceID(device_id))
    records: list[OutputKeyChange] = [
        *device_keys_changed(connection, with_keys),
        *(counts_changed(connection, user_id, device_id) for user_id, device_id, _ in found),
    ]
    return _page(records, [_DEVICES, *found[-1][:2]] if len(found) == most else [_USERS])


def _users(connection: Connection, key: Sequence[str], most: int) -> KeyHistoryPage:
    found = select_users_after(connection, key, most)
    records: list[OutputKeyChange] = []
    for user_id in found:
        records += keys_changed(connection, UserID(user_id), [], with_cross_signing=True)
    return _page(records, [_USERS, found[-1]] if len(found) == most else None)


def _page(records: Sequence[OutputKeyChange], place: list[str] | None) -> KeyHistoryPage:
    return KeyHistoryPage([OUTPUT_KEY_CHANGE.encode(one) for one in records], place)
