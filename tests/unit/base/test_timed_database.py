"""A timed database counts what the database does."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import DatabaseOutage, Schema, TimedDatabase, open_database
from base.metrics import Distribution


def counts(database: TimedDatabase) -> dict[tuple[str, ...], float]:
    return {
        reading.labels: (
            reading.value.count if isinstance(reading.value, Distribution) else reading.value
        )
        for reading in database.readings()
    }


async def test_reads_writes_and_outages_are_counted(tmp_path: Path) -> None:
    schema = Schema("part", sa.MetaData())
    opened = await open_database(f"sqlite:///{tmp_path}", schema)
    outages: list[str] = []

    def note(why: str, seconds: float) -> None:
        assert seconds >= 0
        outages.append(why)

    database = TimedDatabase("part", opened, note)

    def away(_connection: Connection) -> None:
        raise DatabaseOutage("It is away.")

    await database.write(lambda _: None)
    await database.read(lambda _: None)
    with pytest.raises(DatabaseOutage):
        await database.read(away)
    await database.make_durable()
    await database.close()

    assert counts(database) == {("part", "read"): 2, ("part", "write"): 1, ("part",): 1}
    assert outages == ["part: It is away."]
