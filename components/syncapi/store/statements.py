"""Statements of the hot paths, compiled once per dialect.

They run for every batch and every page: the text is compiled once and rows are plain tuples, which
halves what SQLAlchemy adds.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

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


def execute_select(
    connection: Connection, statement: sa.Select[Any], parameters: Mapping[str, Any]
) -> Sequence[Sequence[Any]]:
    """Run a statement of a module whose parameters are single values, without compiling it again.

    Rows come as the driver gives them: only for columns of text, numbers and bytes.
    """
    text, names, fixed = _compiled_select(connection.dialect, statement)
    values = tuple([parameters[name] if name in parameters else fixed[name] for name in names])
    return connection.exec_driver_sql(text, values).fetchall()


@lru_cache(maxsize=256)
def _compiled_select(
    dialect: Dialect, statement: sa.Select[Any]
) -> tuple[str, Sequence[str], Mapping[str, Any]]:
    """Return the text, the names of its parameters in order, and the values that are fixed."""
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError("A SELECT compiles to SQL.")
    fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    return str(compiled), compiled.positiontup or (), fixed


@lru_cache(maxsize=256)
def _compiled(dialect: Dialect, table: sa.Table, build: Build) -> str:
    return str(build(insert_for(dialect.name, table)).compile(dialect=dialect))


def ignore_conflicts(insert: Insert) -> sa.Insert:
    """Leave rows alone that are there already."""
    return insert.on_conflict_do_nothing()
