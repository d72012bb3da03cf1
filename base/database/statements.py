"""Statements that run for every batch: compiled once per dialect, then run as plain text.

Whatever takes time to build is built when it first runs: of the hundreds that a server knows, few
run soon.

Values pass to the driver as they are: text, integers, bytes and None. A boolean comes back as
the driver has it (0 or 1 from SQLite).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, CursorResult

from base.database import direct, together
from base.database.key_counts import cut_to_sizes

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Insert: TypeAlias = "sqlite.Insert | postgresql.Insert"
Values = Mapping[str, Any]

_KEYS_AT_ONCE: Final = (1, 8, 32, 128, 500)
"""How many keys one SELECT takes: few sizes, so that each text is compiled once."""


def insert(connection: Connection, table: sa.Table) -> Insert:
    """Return the dialect's INSERT, which has `on_conflict_do_nothing` and `…_do_update`."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> Insert:
    """Return the INSERT of the dialect of this name (see `insert`)."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    # It costs a process memory that SQLite's does without.
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert(table)


class Statement:
    """A statement with named parameters (`sa.bindparam`)."""

    def __init__(self, statement: sa.Executable | Callable[[str], sa.Executable]) -> None:
        """Take the statement, or a function that gives it for a dialect's name."""
        self._statement = statement
        self._compiled: dict[str, tuple[str, Sequence[str], Values]] = {}

    def run(self, connection: Connection, values: Values) -> CursorResult[*tuple[Any, ...]]:
        """Run it once, for a result as SQLAlchemy has it: `rows` and `change` cost less."""
        text, order, fixed = self._text(connection)
        if fixed:
            values = {**fixed, **values}
        return connection.exec_driver_sql(text, tuple([values[name] for name in order]))

    def rows(self, connection: Connection, values: Values) -> Sequence[Sequence[Any]]:
        """Run it once, and return its rows as the driver gives them."""
        driver = direct.driver_of(connection)
        if driver is None:
            return self.run(connection, values).fetchall()
        text, order, fixed = self._text(connection)
        if fixed:
            values = {**fixed, **values}
        return direct.fetch(driver, text, [values[name] for name in order])

    def change(self, connection: Connection, values: Values) -> int:
        """Run this write once, and return how many rows it changed."""
        text, order, fixed = self._text(connection)
        if fixed:
            values = {**fixed, **values}
        return self._run_once(connection, text, [values[name] for name in order])

    def run_at_end(
        self,
        connection: Connection,
        values: Values,
        *,
        missed: Callable[[], Exception] | None = None,
    ) -> None:
        """Run this write once, by the end of the transaction, together with others like it.

        None of them may need what another one writes. `missed` makes what is raised if it changes
        no row.
        """
        text, order, fixed = self._text(connection)
        if fixed:
            values = {**fixed, **values}
        given = [values[name] for name in order]
        if together.put(connection, text, given, missed):
            return
        changed = self._run_once(connection, text, given)
        if missed is not None and not changed:
            raise missed()

    def _run_once(self, connection: Connection, text: str, given: Sequence[Any]) -> int:
        """Run a write once; return how many rows it changed."""
        driver = direct.driver_of(connection)
        if driver is None:
            return connection.exec_driver_sql(text, tuple(given)).rowcount
        return direct.execute(driver, text, given).rowcount

    def run_many(self, connection: Connection, rows: Iterable[Values]) -> None:
        """Run it for each row, in one call of the driver; not at all for none."""
        text, order, fixed = self._text(connection)
        if fixed:
            rows = [{**fixed, **row} for row in rows]
        ordered = [tuple([row[name] for name in order]) for row in rows]
        driver = direct.driver_of(connection)
        if len(ordered) == 1:
            self._run_once(connection, text, ordered[0])
        elif ordered and driver is not None:
            direct.execute_many(driver, text, ordered)
        elif ordered:
            connection.exec_driver_sql(text, ordered)

    def _text(self, connection: Connection) -> tuple[str, Sequence[str], Values]:
        """Return the text, the names of its parameters in order, and the values that are fixed."""
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            statement = self._statement
            if not isinstance(statement, sa.Executable):
                statement = statement(dialect.name)
            if not isinstance(statement, sa.ClauseElement):
                raise TypeError(f"{statement!r} cannot be compiled.")
            compiled: Any = statement.compile(dialect=dialect)
            order, binds = compiled.positiontup or (), compiled.binds
            fixed = {name: binds[name].value for name in order if not binds[name].required}
            found = compiled.string, order, fixed
            self._compiled[dialect.name] = found
        return found


def _or_fail(insert: Insert) -> sa.Insert:
    return insert


class InsertRows(Statement):
    """An INSERT of whole rows, whose parameters are the columns of the table."""

    def __init__(self, table: sa.Table, complete: Callable[[Insert], sa.Insert] = _or_fail) -> None:
        """Take what says what becomes of rows whose key is there already: without parameters."""
        super().__init__(
            lambda dialect: complete(insert_for(dialect, table).values(_parameters(table)))
        )
        self._table = table
        self._columns: Final = [column.name for column in table.columns]
        self._of_arrays: str | None = None

    def run_tuples(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert the rows in one call of the driver, values as columns are ordered.

        Returns how many were written; -1 where the driver does not count.
        """
        if not rows:
            return 0
        text, _, _ = self._text(connection)
        driver = direct.driver_of(connection)
        if driver is not None:
            return direct.execute_many(driver, text, rows).rowcount
        return connection.exec_driver_sql(text, list(rows)).rowcount

    def run_many_at_end(self, connection: Connection, rows: Iterable[Values]) -> None:
        """Insert the rows by the end of the transaction, together with other writes.

        None of them may need what another one writes, and no two rows may have the same key.
        """
        if connection.dialect.name != "postgresql":
            self.run_many(connection, rows)
            return
        columns = self._columns
        arrays = list(zip(*[[row[name] for name in columns] for row in rows], strict=True))
        if arrays:
            text = self._of_arrays or self._compose(connection)
            given = [list(array) for array in arrays]
            if not together.put(connection, text, given):
                connection.exec_driver_sql(text, tuple(given))

    def _compose(self, connection: Connection) -> str:
        """Return the statement that takes an array for each column: one text for any number."""
        dialect = connection.dialect
        quote = dialect.identifier_preparer.quote
        types = [column.type.compile(dialect) for column in self._table.columns]
        arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))
        names = ", ".join(map(quote, self._columns))
        conflict = "".join(self._text(connection)[0].partition(" ON CONFLICT")[1:])
        self._of_arrays = (
            f"INSERT INTO {quote(self._table.name)} ({names}) "  # noqa: S608 (names of our own)
            f"SELECT * FROM unnest({arrays}){conflict}"
        )
        return self._of_arrays


def insert_into(table: sa.Table) -> InsertRows:
    """Return the INSERT of whole rows; the columns are the parameters."""
    return InsertRows(table)


def insert_new_into(table: sa.Table) -> InsertRows:
    """Return the INSERT that leaves rows alone whose key is there already."""
    return InsertRows(table, lambda insert: insert.on_conflict_do_nothing())


def upsert_into(table: sa.Table, *changed: str) -> InsertRows:
    """Return the INSERT that gives the `changed` columns of a row that is there new values."""
    return InsertRows(
        table,
        lambda insert: insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={column: getattr(insert.excluded, column) for column in changed},
        ),
    )


def _parameters(table: sa.Table) -> dict[str, Any]:
    return {column.name: sa.bindparam(column.name, type_=column.type) for column in table.columns}


class SelectByKeys:
    """`SELECT … WHERE column IN (…)` for any number of keys."""

    def __init__(
        self,
        select: sa.Select[Any],
        column: sa.ColumnElement[Any],
        around: Callable[[sa.Select[Any]], sa.Select[Any]] = lambda inner: inner,
    ) -> None:
        """Take the SELECT without the keys; `around` makes the statement of the one with them."""

        def of_size(size: int) -> Statement:
            return Statement(
                lambda _dialect: around(
                    select.where(
                        column.in_([sa.bindparam(f"key{number}") for number in range(size)])
                    )
                )
            )

        self._statements: Final = {size: of_size(size) for size in _KEYS_AT_ONCE}

    def rows(
        self, connection: Connection, keys: Collection[Any], values: Values | None = None
    ) -> list[Any]:
        """Return the rows of all keys; `values` are the other parameters."""
        found: list[Any] = []
        for some in cut_to_sizes(keys, _KEYS_AT_ONCE):
            named = {f"key{number}": key for number, key in enumerate(some)}
            statement = self._statements[len(some)]
            found.extend(statement.rows(connection, {**(values or {}), **named}))
        return found
