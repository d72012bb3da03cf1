"""The SQLite database: whole transactions, shared commits, one snapshot for a read."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import (
    Database,
    Schema,
    SchemaTooNew,
    SchemaTooOld,
    drop_database,
    insert_into,
    open_database,
)

metadata = sa.MetaData()
things = sa.Table("things", metadata, sa.Column("name", sa.Text, primary_key=True))
SCHEMA = Schema("sample", metadata)
INSERT = insert_into(things)


@pytest.fixture(params=[True, False], ids=["durable", "derived"])
async def database(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{tmp_path}", SCHEMA, durable=request.param)
    yield opened
    await opened.close()


def add(connection: Connection, name: str) -> str:
    INSERT.run(connection, {"name": name})
    return name


def names(connection: Connection) -> list[str]:
    return [row.name for row in connection.execute(sa.select(things).order_by(things.c.name))]


async def test_transactions_that_come_at_once_are_all_kept(database: Database) -> None:
    wanted = [f"{number:03}" for number in range(250)]
    done = await asyncio.gather(*(database.write(partial(add, name=name)) for name in wanted))
    assert done == wanted
    assert await database.read(names) == wanted


async def test_one_that_fails_among_others_is_undone_alone(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add(connection, "undone")
        raise LookupError("no")

    results = await asyncio.gather(
        database.write(partial(add, name="a")),
        database.write(fail),
        database.write(partial(add, name="a")),
        database.write(partial(add, name="b")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [str, LookupError, sa.exc.IntegrityError, str]
    assert await database.read(names) == ["a", "b"]


async def test_what_is_made_durable_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = await open_database(f"sqlite:///{tmp_path}", SCHEMA)
    await first.write(partial(add, name="kept"))
    await first.make_durable()
    second = await open_database(f"sqlite:///{tmp_path}", SCHEMA)
    assert await second.read(names, heavy_for="@alice:xylem.test") == ["kept"]
    await second.close()
    await first.close()


async def test_what_was_deleted_is_in_no_file_once_it_is_erased(
    tmp_path: Path, database: Database
) -> None:
    secrets = [f"secret {number} " * 40 for number in range(200)]

    def remove(connection: Connection) -> None:
        connection.execute(sa.delete(things).where(things.c.name.like("secret%")))

    for secret in secrets:
        await database.write(partial(add, name=secret))
    await database.write(partial(add, name="kept"))
    before = await asyncio.to_thread(bytes_of, tmp_path)
    await database.write(remove)
    await database.erase_deleted()
    after = await asyncio.to_thread(bytes_of, tmp_path)

    assert (b"secret" in before, b"secret" in after) == (True, False)
    assert await database.read(names) == ["kept"]


def bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_a_log_that_has_grown_is_emptied_while_writers_go_on(
    tmp_path: Path, database: Database
) -> None:
    log = tmp_path / "sample.db-wal"
    sizes = [0]

    while sizes[-1] >= max(sizes) and len(sizes) < 5000:
        await database.write(partial(add, name=f"{len(sizes)} " * 20_000))
        await asyncio.sleep(0)  # others have a turn, as in a server
        sizes.append(log.stat().st_size)

    assert sizes[-1] < max(sizes)
    assert len(await database.read(names, heavy_for="alice")) == len(sizes) - 1


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    newer = Schema("sample", metadata, [lambda _: None])
    await (await open_database(f"sqlite:///{tmp_path}", newer)).close()
    with pytest.raises(SchemaTooNew):
        await open_database(f"sqlite:///{tmp_path}", SCHEMA)


async def test_an_older_database_is_brought_up_to_date_once(tmp_path: Path) -> None:
    await (await open_database(f"sqlite:///{tmp_path}", SCHEMA)).close()

    def migrate(connection: Connection) -> None:
        add(connection, "migrated")

    newer = Schema("sample", metadata, [migrate])
    for _ in range(2):
        database = await open_database(f"sqlite:///{tmp_path}", newer)
        assert await database.read(names) == ["migrated"]
        await database.close()


async def test_copies_of_a_schema_lie_beside_each_other_until_they_are_dropped(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}"
    first = await open_database(url, SCHEMA)
    second = await open_database(url, SCHEMA.numbered(2))

    await first.write(partial(add, name="one"))
    seen = [await database.read(names) for database in (first, second)]
    await second.close()
    await drop_database(url, SCHEMA.numbered(2))
    await drop_database(url, SCHEMA.numbered(3))

    assert seen == [["one"], []]
    assert await first.read(names) == ["one"]
    await first.close()
    with pytest.raises(SchemaTooOld):
        await open_database(url, SCHEMA.numbered(2), may_migrate=False)


async def test_the_heavy_reads_of_one_user_do_not_hold_up_anothers(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}", SCHEMA)
    is_over = threading.Event()

    def slow(_: Connection) -> None:
        is_over.wait()

    slow_ones = [
        asyncio.create_task(database.read(slow, heavy_for="@alice:xylem.test")) for _ in range(10)
    ]
    await asyncio.sleep(0)

    assert await database.read(names, heavy_for="@bob:xylem.test") == []

    is_over.set()
    await asyncio.gather(*slow_ones)
    await database.close()
