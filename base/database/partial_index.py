"""Indexes of some rows of a table."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex

_WHERE: Final = "xylem_where"


def partial_index(
    name: str, *columns: str | sa.ColumnElement[Any], where: sa.ColumnElement[bool] | sa.TextClause
) -> sa.Index:
    """Return the index of the rows for which `where` holds.

    SQLAlchemy's `postgresql_where` would load all that it knows of PostgreSQL, three megabytes,
    where a process uses SQLite.
    """
    return sa.Index(name, *columns, sqlite_where=where, info={_WHERE: where})


@compiles(CreateIndex, "postgresql")
def _with_condition(creation: CreateIndex, compiler: Any, **options: Any) -> str:
    index: sa.Index = creation.element
    if _WHERE in index.info:
        index.dialect_options["postgresql"]["where"] = index.info[_WHERE]
    return str(compiler.visit_create_index(creation, **options))
