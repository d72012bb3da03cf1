"""Rows that are of no use any more once they have expired."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection
from components.userapi.store.tables import (
    access_tokens,
    interactive_sessions,
    refresh_tokens,
    special_tokens,
)

_YEAR_MS: Final = 365 * 24 * 3_600_000
KNOWN_FOR_MS: Final = {
    interactive_sessions: 0,
    special_tokens: 0,
    # As long as it is known that a token has expired, its client is told to log in again and keeps
    # its encryption keys (client-server API, "Soft logout"). From an unknown one it deletes them.
    access_tokens: _YEAR_MS,
    refresh_tokens: _YEAR_MS,
}
"""How long after their time the rows of each table are kept."""
_AT_ONCE: Final = 500


def delete_expired(connection: Connection, table: sa.Table, now_ms: int) -> bool:
    """Delete the oldest of the rows that are of no use, a few; tell whether there may be more."""
    [key] = table.primary_key.columns
    expired = (
        sa.select(key)
        .where(table.c.expires_at_ms <= now_ms - KNOWN_FOR_MS[table])
        .order_by(table.c.expires_at_ms)
        .limit(_AT_ONCE)
    )
    deleted = connection.execute(sa.delete(table).where(key.in_(expired))).rowcount
    return deleted == _AT_ONCE
