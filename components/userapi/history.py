"""What was announced of users and still holds, for readers that are rebuilt."""

from typing import Final

from base.database import Connection, Database
from components.userapi.store.history import (
    select_account_data_after,
    select_devices_after,
    select_profile_fields_after,
    select_statuses_after,
)
from internalapi.userapi import UserHistoryPage
from logs.topics import OUTPUT_CLIENT_DATA

_MOST: Final = 1000
_DATA: Final = "account data"
_PROFILES: Final = "profiles"


class UserHistoryReader:
    """`internalapi.userapi.UserHistory`, from the database, opened with `SCHEMA`."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def query_user_data(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return account data, of rooms and of none, and profile fields after a place."""
        kind, *key = after or [_DATA]
        most = min(limit, _MOST)
        return await self._database.read(
            lambda connection: (
                _account_data(connection, key, most)
                if kind == _DATA
                else _profiles(connection, key, most)
            )
        )

    async def query_devices(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return all devices after a place, as `DeviceChanged`."""
        most = min(limit, _MOST)
        found = await self._database.read(
            lambda connection: select_devices_after(connection, after, most)
        )
        return UserHistoryPage(
            [OUTPUT_CLIENT_DATA.encode(one) for one in found],
            [found[-1].user_id, found[-1].device_id] if len(found) == most else None,
        )

    async def query_account_statuses(self, *, after: list[str], limit: int) -> UserHistoryPage:
        """Return the accounts that are deactivated, locked or suspended after a place."""
        most = min(limit, _MOST)
        found = await self._database.read(
            lambda connection: select_statuses_after(connection, after, most)
        )
        return UserHistoryPage(
            [OUTPUT_CLIENT_DATA.encode(one) for one in found],
            [found[-1].user_id] if len(found) == most else None,
        )


def _account_data(connection: Connection, key: list[str], most: int) -> UserHistoryPage:
    found = select_account_data_after(connection, key, most)
    after = [_PROFILES]
    if len(found) == most:
        last = found[-1]
        after = [_DATA, last.user_id, last.room_id or "", last.type]
    return UserHistoryPage([OUTPUT_CLIENT_DATA.encode(one) for one in found], after)


def _profiles(connection: Connection, key: list[str], most: int) -> UserHistoryPage:
    found = select_profile_fields_after(connection, key, most)
    after = [_PROFILES, found[-1].user_id, found[-1].field] if len(found) == most else None
    return UserHistoryPage([OUTPUT_CLIENT_DATA.encode(one) for one in found], after)
