"""What is an outage of a database, which is waited for, and what is a bug, on both databases."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import Database, DatabaseDamaged, DatabaseOutage, Schema, open_database

METADATA = sa.MetaData()
THINGS = sa.Table("things", METADATA, sa.Column("number", sa.BigInteger, primary_key=True))
Work = Callable[[Connection], object]


@pytest.fixture(params=["derived", "durable", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    is_postgres = kind == "postgres"
    return request.getfixturevalue("postgres_url") if is_postgres else f"sqlite:///{tmp_path}"


@pytest.fixture
async def database(url: str, kind: str) -> AsyncIterator[Database]:
    opened = await open_database(url, Schema("trouble", METADATA), durable=kind == "durable")
    yield opened
    await opened.close()


def run(statement: str) -> Work:
    return lambda connection: connection.exec_driver_sql(statement).close()


def insert(number: int) -> Work:
    return lambda connection: connection.execute(sa.insert(THINGS).values(number=number)).close()


async def numbers(database: Database) -> list[int]:
    return await database.read(
        lambda connection: list(connection.execute(sa.select(THINGS.c.number)).scalars())
    )


@pytest.mark.parametrize(
    "wrong", ["SELECT nothing FROM things", "SELECT 1 FROM nowhere", "SELEKT 1", "SELECT zero(1)"]
)
async def test_a_wrong_statement_is_no_outage(database: Database, wrong: str) -> None:
    for transact in (database.read, database.write):
        with pytest.raises(sa.exc.DBAPIError):
            await transact(run(wrong))

    await database.write(insert(1))
    assert await numbers(database) == [1]


async def test_a_row_that_breaks_a_rule_is_no_outage(database: Database) -> None:
    await database.write(insert(1))

    with pytest.raises(sa.exc.IntegrityError):
        await database.write(insert(1))


async def test_an_error_does_not_tell_the_values_of_its_statement(database: Database) -> None:
    await database.write(insert(314159))

    with pytest.raises(sa.exc.IntegrityError) as told:
        await database.write(insert(314159))

    # PostgreSQL itself names the key, in a line of its own.
    assert "314159" not in str(told.value).replace("DETAIL:  Key (number)=(314159)", "")


async def test_a_number_that_is_too_large_is_no_outage(database: Database) -> None:
    with pytest.raises((sa.exc.DBAPIError, OverflowError)):
        await database.write(insert(2**63))


def read_only(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only=1")
    else:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    try:
        insert(1)(connection)
    finally:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only=0")


def full(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        try:
            run("CREATE TABLE more (one, two PRIMARY KEY)")(connection)
        finally:
            connection.exec_driver_sql("PRAGMA max_page_count=1073741823")
    else:
        refuse("53100")(connection)


def refuse(sqlstate: str) -> Work:
    return run(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$")


@pytest.mark.parametrize("trouble", [read_only, full])
async def test_a_write_that_is_refused_for_now_is_an_outage(
    database: Database, trouble: Work
) -> None:
    with pytest.raises(DatabaseOutage):
        await database.write(trouble)

    await database.write(insert(1))
    assert await numbers(database) == [1]


async def test_a_file_that_another_one_writes_is_an_outage(tmp_path: Path) -> None:
    schema = Schema("trouble", METADATA)
    database = await open_database(f"sqlite:///{tmp_path}", schema)
    await database.write(run("PRAGMA busy_timeout=0"))
    other = sqlite3.connect(tmp_path / "trouble.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseOutage, match="locked"):
        await database.write(insert(1))
    other.close()

    await database.write(insert(1))
    assert await numbers(database) == [1]
    await database.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "sqlstate", ["08006", "25006", "40001", "40P01", "53100", "53300", "55P03", "57P01", "57P03"]
)
async def test_these_states_of_postgresql_are_outages(postgres_url: str, sqlstate: str) -> None:
    database = await open_database(postgres_url, Schema("trouble", METADATA))

    with pytest.raises(DatabaseOutage, match="no"):
        await database.write(refuse(sqlstate))

    await database.close()


@pytest.mark.postgres
@pytest.mark.parametrize("sqlstate", ["22003", "23505", "42703", "P0001", "XX000"])
async def test_these_states_of_postgresql_are_not(postgres_url: str, sqlstate: str) -> None:
    database = await open_database(postgres_url, Schema("trouble", METADATA))

    with pytest.raises(sa.exc.DBAPIError, match="no"):
        await database.write(refuse(sqlstate))

    await database.close()


@pytest.mark.postgres
async def test_a_corrupt_table_of_postgresql_is_damage(postgres_url: str) -> None:
    database = await open_database(postgres_url, Schema("trouble", METADATA))

    with pytest.raises(DatabaseDamaged):
        await database.read(refuse("XX001"))

    await database.close()


async def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    (tmp_path / "trouble.db").write_bytes(b"no database at all" * 1000)

    with pytest.raises(DatabaseDamaged):
        await open_database(f"sqlite:///{tmp_path}", Schema("trouble", METADATA))
