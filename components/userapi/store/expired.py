"""Rows that are of no use any more once they have expired."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection
from components.userapi.store.tables import interactive_sessions, special_tokens

EXPIRING: Final = (interactive_sessions, special_tokens)
_AT_ONCE: Final = 500


def delete_expired(connection: Connection, table: sa.Table, now_ms: int) -> bool:
    """Delete the oldest of the rows that have expired, a few; tell whether there may be more."""
    [key] = table.primary_key.columns
    expired = (
        sa.select(key)
        .where(table.c.expires_at_ms <= now_ms)
        .order_by(table.c.expires_at_ms)
        .limit(_AT_ONCE)
    )
    deleted = connection.execute(sa.delete(table).where(key.in_(expired))).rowcount
    return deleted == _AT_ONCE
