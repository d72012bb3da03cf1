"""Frozen schemas: for each version of each component's tables the DDL that makes them.

`python -m tests.contract.schemas.snapshots` writes those of versions that have none yet, and says
what has changed in tables whose version is frozen.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from base.database import Connection, Schema
from deploy.process.kept_tables import all_schemas
from logs.announcing.tables import ANNOUNCING_SCHEMA
from logs.consumer.tables import CONSUMER_SCHEMA
from logs.rebuilding.progress import REBUILDING_SCHEMA

ALL: Final = (CONSUMER_SCHEMA, ANNOUNCING_SCHEMA, REBUILDING_SCHEMA, *all_schemas())
DIALECTS: Final[dict[str, sa.Dialect]] = {
    name: sa.make_url(url).get_dialect()()
    for name, url in {"sqlite": "sqlite://", "postgresql": "postgresql+asyncpg://"}.items()
}
_FOLDER: Final = Path(__file__).resolve().parents[2] / "vectors/schemas"
_COMMAND: Final = "python -m tests.contract.schemas.snapshots"


def file_of(schema: Schema, version: int, dialect: str) -> Path:
    """Return where the DDL of a version is kept for a dialect."""
    return _FOLDER / schema.name / f"{version}.{dialect}.sql"


def render(metadata: sa.MetaData, dialect: str) -> str:
    """Return the statements that make these tables and their indexes."""
    statements: list[str] = []
    for table in metadata.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made: list[ExecutableDDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        for element in made:
            lines = str(element.compile(dialect=DIALECTS[dialect])).strip().splitlines()
            statements.append("\n".join(line.rstrip() for line in lines))
    return "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"


def make_tables(connection: Connection, schema: Schema, version: int) -> None:
    """Make the tables as this version of the schema had them."""
    for statement in _statements(file_of(schema, version, connection.dialect.name).read_text()):
        connection.exec_driver_sql(statement)


def drift(schema: Schema, dialect: str) -> str | None:
    """Return what a developer has to do about tables and their frozen version, if anything."""
    frozen = file_of(schema, schema.version, dialect)
    if not frozen.exists():
        return f"{schema.name} {schema.version} has no snapshot for {dialect}: run {_COMMAND}"
    if _statements(render(schema.metadata, dialect)) != _own_statements(schema, dialect):
        return (
            f"The tables of {schema.name} are not those of its version {schema.version}: add a "
            f"migration, then run {_COMMAND}. What changed: {_changes(schema)}"
        )
    return None


def _statements(text: str) -> list[str]:
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]


def _own_statements(schema: Schema, dialect: str) -> list[str]:
    """Return what is frozen of the present version, without tables that are a part by now.

    Snapshots from before have them among the schema's own tables.
    """
    parts = {
        statement
        for part in schema.parts
        for statement in _statements(file_of(part, 1, dialect).read_text())
    }
    frozen = _statements(file_of(schema, schema.version, dialect).read_text())
    return [statement for statement in frozen if statement not in parts]


def _changes(schema: Schema) -> Sequence[Any]:
    """Return what a migration has to do, as alembic names it."""
    with sa.create_engine("sqlite://").begin() as connection:
        make_tables(connection, schema, schema.version)
        for part in schema.parts:
            part.metadata.drop_all(connection)
        changes: list[Any] = compare_metadata(
            MigrationContext.configure(connection), schema.metadata
        )
        return changes


def _write_missing() -> int:
    drifts: list[str] = []
    for schema in ALL:
        for dialect in DIALECTS:
            file = file_of(schema, schema.version, dialect)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(render(schema.metadata, dialect))
            drifts += filter(None, [drift(schema, dialect)])
    print("\n".join(drifts) or "Each schema is as its version.")  # noqa: T201 (a command line prints)
    return len(drifts)


if __name__ == "__main__":
    sys.exit(_write_missing())
