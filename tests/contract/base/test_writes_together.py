"""Writes that are made together at the end of a transaction, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import (
    Database,
    Schema,
    Statement,
    insert_into,
    insert_new_into,
    open_database,
    upsert_into,
)

METADATA = sa.MetaData()
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("flags", sa.SmallInteger, nullable=False),
    sa.Column("is_new", sa.Boolean, nullable=False),
)
PLACES = sa.Table(
    "places",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, nullable=False),
)
INSERT_THING = insert_into(THINGS)
UPSERT_PLACE = upsert_into(PLACES, "partition")
NEW_PLACE = insert_new_into(PLACES)
MOVE = Statement(
    sa.update(PLACES)
    .where(PLACES.c.name == sa.bindparam("of"), PLACES.c.partition == sa.bindparam("before"))
    .values(partition=sa.bindparam("after"))
)


class Elsewhere(Exception):
    """The place is not where it was thought to be."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    postgres = request.param == "postgres"
    return request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url, Schema("together", METADATA))
    yield opened
    await opened.close()


def thing(number: int) -> dict[str, object]:
    raw = None if number % 2 else bytes([number % 256, 0])
    size = None if number % 3 == 0 else 2**40 + number
    is_new = number % 2 == 0
    return {"name": f"t{number}", "size": size, "raw": raw, "flags": number % 9, "is_new": is_new}


async def rows(database: Database, table: sa.Table) -> list[dict[str, object]]:
    query = sa.select(table).order_by(table.c.name)
    return await database.read(
        lambda connection: [dict(row) for row in connection.execute(query).mappings()]
    )


@pytest.mark.parametrize("count", [0, 1, 2, 40])
async def test_rows_of_several_tables_are_written(database: Database, count: int) -> None:
    def work(connection: Connection) -> None:
        INSERT_THING.run_many_at_end(connection, map(thing, range(count)))
        places = [{"name": f"p{number}", "partition": number} for number in range(count)]
        UPSERT_PLACE.run_many_at_end(connection, places)

    await database.write(work)

    expected = sorted(map(thing, range(count)), key=lambda one: str(one["name"]))
    assert await rows(database, THINGS) == expected
    assert len(await rows(database, PLACES)) == count


async def test_rows_that_are_there_are_changed_or_left_alone(database: Database) -> None:
    first = [{"name": "here", "partition": 1}, {"name": "there", "partition": 1}]
    await database.write(lambda connection: NEW_PLACE.run_many_at_end(connection, first))

    def work(connection: Connection) -> None:
        NEW_PLACE.run_many_at_end(connection, [{"name": "here", "partition": 2}])
        UPSERT_PLACE.run_many_at_end(connection, [{"name": "there", "partition": 2}])

    await database.write(work)

    found = {row["name"]: row["partition"] for row in await rows(database, PLACES)}
    assert found == {"here": 1, "there": 2}


async def test_what_misses_its_row_undoes_all(database: Database) -> None:
    place = [{"name": "here", "partition": 1}]
    await database.write(lambda connection: NEW_PLACE.run_many_at_end(connection, place))

    def work(connection: Connection, before: int) -> None:
        INSERT_THING.run_many_at_end(connection, [thing(before)])
        values = {"of": "here", "before": before, "after": before + 1}
        MOVE.run_at_end(connection, values, missed=Elsewhere)
        UPSERT_PLACE.run_many_at_end(connection, [{"name": "there", "partition": before}])

    with pytest.raises(Elsewhere):
        await database.write(lambda connection: work(connection, 7))
    before = await rows(database, PLACES), await rows(database, THINGS)
    await database.write(lambda connection: work(connection, 1))

    assert before == (place, [])
    found = {row["name"]: row["partition"] for row in await rows(database, PLACES)}
    assert found == {"here": 2, "there": 1}
    assert await rows(database, THINGS) == [thing(1)]


async def test_what_cannot_be_written_undoes_all(database: Database) -> None:
    await database.write(lambda connection: INSERT_THING.run_many_at_end(connection, [thing(1)]))

    def work(connection: Connection) -> None:
        UPSERT_PLACE.run_many_at_end(connection, [{"name": "here", "partition": 1}])
        INSERT_THING.run_many_at_end(connection, [thing(1)])

    with pytest.raises(sa.exc.IntegrityError):
        await database.write(work)

    assert await rows(database, PLACES) == []


async def test_a_transaction_that_failed_leaves_nothing_to_the_next(database: Database) -> None:
    def fail(connection: Connection) -> None:
        INSERT_THING.run_many_at_end(connection, [thing(1)])
        raise Elsewhere

    with pytest.raises(Elsewhere):
        await database.write(fail)
    await database.write(lambda _connection: None)

    assert await rows(database, THINGS) == []
