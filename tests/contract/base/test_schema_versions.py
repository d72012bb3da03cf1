"""Databases of older, newer and no version, opened with and without leave to migrate."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import (
    Database,
    DatabaseOutage,
    Schema,
    SchemaToBeRebuilt,
    SchemaTooNew,
    SchemaTooOld,
    open_database,
)

Open = Callable[..., AbstractAsyncContextManager[Database]]


def add_note(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE things ADD COLUMN note TEXT")


def schema(version: int, *, parts: Sequence[Schema] = ()) -> Schema:
    metadata = sa.MetaData()
    sa.Table("things", metadata, sa.Column("name", sa.Text))
    return Schema("store", metadata, [add_note] * (version - 1), parts=parts)


def add_mark(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE marks ADD COLUMN mark TEXT")


def marks(version: int) -> Schema:
    metadata = sa.MetaData()
    table = sa.Table("marks", metadata, sa.Column("name", sa.Text))
    if version > 1:
        table.append_column(sa.Column("mark", sa.Text))
    return Schema("marks", metadata, [add_mark] * (version - 1))


def forget_version_of_marks(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM schema_version WHERE component = 'marks'")


def select_marks(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT mark FROM marks")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def open_version(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Open the database of a test with the schema of a version."""
    postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}"

    @asynccontextmanager
    async def opening(
        version: int, *, parts: Sequence[Schema] = (), may_migrate: bool = True, oldest: int = 1
    ) -> AsyncIterator[Database]:
        schema_of_test = replace(schema(version, parts=parts), oldest=oldest)
        database = await open_database(url, schema_of_test, may_migrate=may_migrate)
        try:
            yield database
        finally:
            await database.close()

    return opening


async def test_without_leave_to_migrate_tables_are_not_made(open_version: Open) -> None:
    with pytest.raises(SchemaTooOld, match="has no tables yet"):
        async with open_version(1, may_migrate=False):
            pass


async def test_without_leave_to_migrate_an_older_schema_is_refused(open_version: Open) -> None:
    async with open_version(1):
        pass

    with pytest.raises(SchemaTooOld, match="has schema version 1, this server needs 2"):
        async with open_version(2, may_migrate=False):
            pass


@pytest.mark.parametrize("may_migrate", [True, False])
async def test_a_newer_schema_is_refused(open_version: Open, *, may_migrate: bool) -> None:
    async with open_version(2):
        pass

    with pytest.raises(SchemaTooNew, match="has schema version 2, this server knows up to 1"):
        async with open_version(1, may_migrate=may_migrate):
            pass


@pytest.mark.parametrize("may_migrate", [True, False])
async def test_a_version_that_no_migration_leads_on_from_is_refused_and_left_as_it_is(
    open_version: Open, *, may_migrate: bool
) -> None:
    async with open_version(1):
        pass

    with pytest.raises(SchemaToBeRebuilt, match="version 1: this server needs 3"):
        async with open_version(3, oldest=2, may_migrate=may_migrate):
            pass

    async with open_version(1, may_migrate=False):
        pass


async def test_versions_from_the_oldest_on_are_migrated(open_version: Open) -> None:
    async with open_version(2):
        pass

    async with open_version(3, oldest=2):
        pass
    async with open_version(3, may_migrate=False):
        pass


async def test_a_migrated_database_is_opened_without_leave(open_version: Open) -> None:
    async with open_version(1):
        pass
    async with open_version(2):
        pass

    async with open_version(2, may_migrate=False) as database:
        await database.read(
            lambda connection: connection.exec_driver_sql("SELECT note FROM things")
        )


async def test_a_part_is_migrated_by_itself(open_version: Open) -> None:
    async with open_version(1, parts=[marks(1)]):
        pass

    async with open_version(1, parts=[marks(2)]) as database:
        await database.read(select_marks)


async def test_tables_from_before_their_part_had_a_version_are_of_the_first(
    open_version: Open,
) -> None:
    async with open_version(1, parts=[marks(1)]) as database:
        await database.write(forget_version_of_marks)

    async with open_version(1, parts=[marks(1)], may_migrate=False):
        pass
    async with open_version(2, parts=[marks(2)]) as database:
        await database.read(select_marks)


async def test_a_part_that_comes_later_is_made(open_version: Open) -> None:
    async with open_version(1):
        pass

    async with open_version(1, parts=[marks(2)]) as database:
        await database.read(select_marks)


async def test_a_part_of_another_version_is_refused(open_version: Open) -> None:
    async with open_version(1, parts=[marks(2)]):
        pass

    with pytest.raises(SchemaTooNew, match="has marks schema version 2, this server knows up to 1"):
        async with open_version(1, parts=[marks(1)]):
            pass
    with pytest.raises(SchemaTooOld, match="has marks schema version 2, this server needs 3"):
        async with open_version(1, parts=[marks(3)], may_migrate=False):
            pass


@pytest.mark.postgres
async def test_a_database_that_is_not_there_is_an_outage(postgres_url: str) -> None:
    with pytest.raises(DatabaseOutage, match="does not exist"):
        await open_database(f"{postgres_url}_not", schema(1))
