"""What users keep with the server, read from one end to the other."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from base.database import Connection, page_after
from components.userapi.store.tables import account_data, accounts, devices, profile_fields
from logs.records.client_data import (
    AccountDataChanged,
    AccountStatusChanged,
    DeviceChanged,
    ProfileChanged,
)

_STATUS: Final = (
    accounts.c.is_deactivated,
    accounts.c.is_erased,
    accounts.c.is_locked,
    accounts.c.is_suspended,
)


def select_account_data_after(
    connection: Connection, key: Sequence[str], limit: int
) -> list[AccountDataChanged]:
    """Return account data after a user, room and type, in this order."""
    of = account_data.c
    rows = connection.execute(
        _after((of.user_id, of.room_id, of.type), (of.content,), account_data, key, limit)
    )
    return [
        AccountDataChanged(user_id, data_type, content, room_id or None)
        for user_id, room_id, data_type, content in rows
    ]


def select_profile_fields_after(
    connection: Connection, key: Sequence[str], limit: int
) -> list[ProfileChanged]:
    """Return profile fields after a user and field, in this order."""
    of = profile_fields.c
    rows = connection.execute(
        _after((of.user_id, of.field), (of.value,), profile_fields, key, limit)
    )
    return [ProfileChanged(user_id, field, value) for user_id, field, value in rows]


def select_devices_after(
    connection: Connection, key: Sequence[str], limit: int
) -> list[DeviceChanged]:
    """Return devices after a user and device ID, in this order."""
    of = devices.c
    values = (of.number, of.display_name)
    rows = connection.execute(_after((of.user_id, of.device_id), values, devices, key, limit))
    return [DeviceChanged(*row) for row in rows]


def select_statuses_after(
    connection: Connection, key: Sequence[str], limit: int
) -> list[AccountStatusChanged]:
    """Return accounts after a user that are not as accounts are at first, ordered by user."""
    query = _after((accounts.c.user_id,), _STATUS, accounts, key, limit)
    rows = connection.execute(query.where(sa.or_(*_STATUS)))
    return [AccountStatusChanged(user_id, *map(bool, flags)) for user_id, *flags in rows]


def _after(
    keys: Sequence[sa.Column[str]],
    values: Sequence[sa.Column[Any]],
    table: sa.Table,
    key: Sequence[str],
    limit: int,
) -> sa.Select[Any]:
    columns: list[Any] = [*keys, *values]
    return page_after(sa.select(*columns).select_from(table), keys, key, limit)
