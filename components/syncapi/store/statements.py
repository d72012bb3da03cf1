"""Inserts that give way to rows which are there, built once per dialect."""

from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

Insert = sqlite.Insert | postgresql.Insert
Build = Callable[[Insert], sa.Insert]


def execute_insert(
    connection: Connection, table: sa.Table, build: Build, rows: list[dict[str, Any]]
) -> int:
    """Insert the rows in one statement that `build` completes; return how many it wrote.

    `build` is a function of a module: the statement is kept by it. -1 where the driver does not
    count.
    """
    if not rows:
        return 0
    return connection.execute(_built(connection.dialect.name, table, build), rows).rowcount


@cache
def _built(dialect: str, table: sa.Table, build: Build) -> sa.Insert:
    return build(sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table))


def ignore_conflicts(insert: Insert) -> sa.Insert:
    """Leave rows alone that are there already."""
    return insert.on_conflict_do_nothing()
