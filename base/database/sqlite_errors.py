"""Which errors of SQLite are outages, and which say that its file is damaged."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from base.database.interface import DatabaseDamaged, DatabaseOutage

_OUTAGES: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)
_DAMAGES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF
"""The bits of an error code that name its kind; the others give details."""


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Raise an outage or damage as such; any other error, which is a bug, passes as it is."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error) as error:
        found = told_of(error)
        if found is None:
            raise
        raise found from error


def told_of(error: Exception) -> DatabaseOutage | DatabaseDamaged | None:
    """Return the outage or damage that an error of the driver means; `None` for any other."""
    if isinstance(error, sa.exc.TimeoutError):
        return DatabaseOutage(f"No connection is free: {error}")
    found = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    kind = getattr(found, "sqlite_errorcode", 0) & _PRIMARY
    if kind in _OUTAGES:
        return DatabaseOutage(str(found))
    return DatabaseDamaged(str(found)) if kind in _DAMAGES else None
