"""Statements that run for every batch: compiled once per dialect, then run as plain text.

Values pass to the driver as they are: text, integers, bytes and None. A boolean comes back as
the driver has it (0 or 1 from SQLite).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult

Insert = sqlite.Insert | postgresql.Insert
Values = Mapping[str, Any]

_KEYS_AT_ONCE: Final = (1, 8, 64, 500)
"""How many keys one SELECT takes: few sizes, so that each text is compiled once."""


def insert(connection: Connection, table: sa.Table) -> Insert:
    """Return the dialect's INSERT, which has `on_conflict_do_nothing` and `…_do_update`."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> Insert:
    """Return the INSERT of the dialect of this name (see `insert`)."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


class Statement:
    """A statement with named parameters (`sa.bindparam`)."""

    def __init__(self, statement: sa.Executable | Callable[[str], sa.Executable]) -> None:
        """Take the statement, or a function that gives it for a dialect's name."""
        self._statement = statement
        self._compiled: dict[str, tuple[str, Sequence[str]]] = {}

    def run(self, connection: Connection, values: Values) -> CursorResult[*tuple[Any, ...]]:
        """Run it once."""
        text, order = self._text(connection)
        return connection.exec_driver_sql(text, tuple([values[name] for name in order]))

    def run_many(self, connection: Connection, rows: Iterable[Values]) -> None:
        """Run it for each row, in one call of the driver; not at all for none."""
        text, order = self._text(connection)
        ordered = [tuple([row[name] for name in order]) for row in rows]
        if len(ordered) == 1:
            connection.exec_driver_sql(text, ordered[0])
        elif ordered:
            connection.exec_driver_sql(text, ordered)

    def _text(self, connection: Connection) -> tuple[str, Sequence[str]]:
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            statement = self._statement
            if not isinstance(statement, sa.Executable):
                statement = statement(dialect.name)
            if not isinstance(statement, sa.ClauseElement):
                raise TypeError(f"{statement!r} cannot be compiled.")
            compiled: Any = statement.compile(dialect=dialect)
            found = self._compiled[dialect.name] = (compiled.string, compiled.positiontup or ())
        return found


def insert_into(table: sa.Table) -> Statement:
    """Return the INSERT of whole rows; the columns are the parameters."""
    return Statement(sa.insert(table).values(_parameters(table)))


def insert_new_into(table: sa.Table) -> Statement:
    """Return the INSERT that leaves rows alone whose key is there already."""
    return Statement(
        lambda dialect: (
            insert_for(dialect, table).values(_parameters(table)).on_conflict_do_nothing()
        )
    )


def upsert_into(table: sa.Table, *changed: str) -> Statement:
    """Return the INSERT that gives the `changed` columns of a row that is there new values."""

    def build(dialect: str) -> sa.Executable:
        statement = insert_for(dialect, table).values(_parameters(table))
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={column: getattr(statement.excluded, column) for column in changed},
        )

    return Statement(build)


def _parameters(table: sa.Table) -> dict[str, Any]:
    return {column.name: sa.bindparam(column.name, type_=column.type) for column in table.columns}


class SelectByKeys:
    """`SELECT … WHERE column IN (…)` for any number of keys."""

    def __init__(self, select: sa.Select[Any], column: sa.ColumnElement[Any]) -> None:
        self._statements: Final = {
            size: Statement(
                select.where(column.in_([sa.bindparam(f"key{number}") for number in range(size)]))
            )
            for size in _KEYS_AT_ONCE
        }

    def rows(
        self, connection: Connection, keys: Collection[Any], values: Values | None = None
    ) -> list[Any]:
        """Return the rows of all keys; `values` are the other parameters."""
        found: list[Any] = []
        rest = list(keys)
        while rest:
            size = next((one for one in _KEYS_AT_ONCE if one >= len(rest)), _KEYS_AT_ONCE[-1])
            some, rest = rest[:size], rest[size:]
            # A key given twice finds its row once: the places that are left repeat the last.
            some.extend(some[-1:] * (size - len(some)))
            named = {f"key{number}": key for number, key in enumerate(some)}
            found.extend(self._statements[size].run(connection, {**(values or {}), **named}))
        return found
