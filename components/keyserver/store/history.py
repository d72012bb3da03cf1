"""Whose keys there are, read from one end to the other."""

from collections.abc import Sequence

import sqlalchemy as sa

from base.database import Connection, page_after
from components.keyserver.store.tables import cross_signing_keys, key_devices


def select_devices_after(
    connection: Connection, key: Sequence[str], limit: int
) -> list[tuple[str, str, bool]]:
    """Return devices after a user and device ID, in this order, and whether they have keys."""
    of = key_devices.c
    keys = (of.user_id, of.device_id)
    query = sa.select(*keys, of["keys"].is_not(None))
    rows = connection.execute(page_after(query, keys, key, limit))
    return [(user_id, device_id, bool(has_keys)) for user_id, device_id, has_keys in rows]


def select_users_after(connection: Connection, key: Sequence[str], limit: int) -> list[str]:
    """Return users with cross-signing keys after a user ID, in this order."""
    user_id = cross_signing_keys.c.user_id
    query = sa.select(user_id).distinct()
    return list(connection.scalars(page_after(query, (user_id,), key, limit)))
