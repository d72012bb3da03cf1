"""Inserts of whole rows as plain tuples: compiled once per dialect, and counted."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from base.database import Connection, Insert, insert_for

Build = Callable[[Insert], sa.Insert]


def execute_insert(
    connection: Connection, table: sa.Table, build: Build, rows: Sequence[tuple[Any, ...]]
) -> int:
    """Insert the rows in one statement that `build` completes; return how many it wrote.

    `build` is a function of a module: the statement is kept by it. Rows have a value for every
    column, in the order of the table. -1 where the driver does not count.
    """
    if not rows:
        return 0
    text = _compiled(connection.dialect, table, build)
    return connection.exec_driver_sql(text, list(rows)).rowcount


@lru_cache(maxsize=256)
def _compiled(dialect: Dialect, table: sa.Table, build: Build) -> str:
    return str(build(insert_for(dialect.name, table)).compile(dialect=dialect))


def ignore_conflicts(insert: Insert) -> sa.Insert:
    """Leave rows alone that are there already."""
    return insert.on_conflict_do_nothing()
