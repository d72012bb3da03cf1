"""Long reads on both databases: the event loop goes on meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from base.database import Connection, Database, Schema, open_database, pace_of, paced

METADATA = sa.MetaData()
THINGS = sa.Table("things", METADATA, sa.Column("name", sa.Text, primary_key=True))
MOST_STEPS = 5_000_000


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    postgres = request.param == "postgres"
    return request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url, Schema("paced", METADATA))
    yield opened
    await opened.close()


async def test_another_request_is_answered_while_a_long_read_goes_on(database: Database) -> None:
    answered: list[str] = []
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def long(connection: Connection) -> bool:
        loop.call_soon_threadsafe(begun.set)
        return any(answered for _ in paced(connection, range(MOST_STEPS)))

    async def other() -> None:
        await begun.wait()
        answered.append("other")

    reading = asyncio.create_task(database.read(long, heavy_for="@alice:xylem.test"))
    await other()

    assert await reading


async def test_a_read_that_turns_out_to_be_long_leaves_the_event_loop(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}", Schema("paced", METADATA))

    async def threads_of(rows: int) -> list[bool]:
        """Return for each time that the work was begun whether it was on the event loop."""
        begun: list[bool] = []
        here = threading.get_ident()

        def work(connection: Connection) -> None:
            begun.append(threading.get_ident() == here)
            pace_of(connection).step(rows)

        await database.read(work, heavy_for="@alice:xylem.test", begins_light=True)
        return begun

    assert await threads_of(10) == [True]
    assert await threads_of(100_000) == [True, False]
    await database.close()
