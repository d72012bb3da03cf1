"""Statements that are asked of SQLite's driver itself.

A short one takes 3 µs there, and 35 by SQLAlchemy's way, which prepares for cursors, types and rows
that a statement of known text has no use for. PostgreSQL's driver is asynchronous: its statements
go the usual way.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def driver_of(connection: Connection) -> sqlite3.Connection | None:
    """Return SQLite's own connection; `None` for another database."""
    if connection.dialect.name != "sqlite":
        return None
    raw: sqlite3.Connection | None = connection.connection.driver_connection
    return raw


def execute(driver: sqlite3.Connection, text: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
    """Run a statement. Raises SQLAlchemy's errors."""
    try:
        return driver.execute(text, values)
    except sqlite3.Error as error:
        raise _told(text, error) from error


def execute_many(
    driver: sqlite3.Connection, text: str, rows: Sequence[Sequence[Any]]
) -> sqlite3.Cursor:
    """Run a statement for each row. Raises SQLAlchemy's errors."""
    try:
        return driver.executemany(text, rows)
    except sqlite3.Error as error:
        raise _told(text, error) from error


def fetch(driver: sqlite3.Connection, text: str, values: Sequence[Any]) -> list[Any]:
    """Run a query and return its rows. Raises SQLAlchemy's errors."""
    try:
        return driver.execute(text, values).fetchall()
    except sqlite3.Error as error:
        raise _told(text, error) from error


def _told(text: str, error: sqlite3.Error) -> Exception:
    told: Exception = sa.exc.DBAPIError.instance(
        text, None, error, sqlite3.Error, hide_parameters=True
    )
    return told
