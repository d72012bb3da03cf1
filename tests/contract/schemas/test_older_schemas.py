"""Databases of each older schema version become those of the present one."""

from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from base.database import Connection, Schema, open_database
from tests.contract.schemas import snapshots

_VALUES: Final = {str: "@alice:localhost", int: 1, bool: True, bytes: b'"x"'}
_OLDER: Final = [
    pytest.param(schema, version, id=f"{schema.name}-{version}")
    for schema in snapshots.ALL
    # The present one, too: what is a part by now may have been among the schema's own tables.
    for version in range(schema.oldest, schema.version + 1)
]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for databases, empty at first."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}"
    found: str = request.getfixturevalue("postgres_url")
    return found


async def make_older(url: str, schema: Schema, version: int) -> None:
    """Make a database as this version of the schema left it, with a row in each table."""
    empty = Schema(schema.name, sa.MetaData(), [lambda _: None] * (version - 1))
    database = await open_database(url, empty)
    await database.write(lambda connection: snapshots.make_tables(connection, schema, version))
    await database.write(fill)
    await database.close()


def fill(connection: Connection) -> None:
    metadata = sa.MetaData()
    metadata.reflect(connection)
    for table in metadata.sorted_tables:
        if table.name != "schema_version":
            row = {column.name: _VALUES[column.type.python_type] for column in table.columns}
            connection.execute(sa.insert(table).values(row))


def count_rows(connection: Connection) -> dict[str, int]:
    names = sa.inspect(connection).get_table_names()
    return {
        name: connection.execute(
            sa.select(sa.func.count()).select_from(sa.table(name))
        ).scalar_one()
        for name in names
    }


def reflect(connection: Connection) -> dict[str, Any]:
    """Return all that the database says of its tables."""
    inspector = sa.inspect(connection)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(name)
            },
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
            "indexes": {
                str(index["name"]): (
                    index["column_names"],
                    index["unique"],
                    {key: str(value) for key, value in index.get("dialect_options", {}).items()},
                )
                for index in inspector.get_indexes(name)
            },
        }
        for name in inspector.get_table_names()
    }


@pytest.mark.parametrize(("schema", "version"), _OLDER)
async def test_an_older_version_becomes_what_a_new_database_is(
    url: str, schema: Schema, version: int
) -> None:
    await make_older(url, schema, version)

    migrated = await open_database(url, schema)
    new = await open_database(url, schema.numbered(1))

    assert await migrated.read(reflect) == await new.read(reflect)
    await new.close()
    await migrated.close()


@pytest.mark.parametrize(("schema", "version"), _OLDER)
async def test_a_migration_keeps_what_is_in_the_tables(
    url: str, schema: Schema, version: int
) -> None:
    await make_older(url, schema, version)

    migrated = await open_database(url, schema)

    counts = await migrated.read(count_rows)
    frozen = snapshots.file_of(schema, version, "sqlite").read_text()
    kept = {name for name in counts if f"CREATE TABLE {name} " in frozen}
    assert kept
    assert {name for name in kept if not counts[name]} == set()
    await migrated.close()
