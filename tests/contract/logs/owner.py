"""An owner for the tests: it keeps a number per name, and announces each change."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import sqlalchemy as sa

from base.database import Connection, Database, Schema, insert, open_database
from logs.announcing import AnnouncedTopic
from logs.announcing.announcements import Announcements
from logs.announcing.announcer import Announcer
from logs.announcing.tables import ANNOUNCING_SCHEMA
from logs.log import Log, Record
from tests.contract.logs.under_test import SPREAD, Number

_METADATA: Final = sa.MetaData()
_NUMBERS: Final = sa.Table(
    "numbers",
    _METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
)

ANNOUNCED: Final = AnnouncedTopic(SPREAD, "owner", lambda number: f"k{number.value % 13}")


async def open_owner(url: str) -> Database:
    """Open the database of an owner."""
    schema = Schema("owner", _METADATA, parts=(ANNOUNCING_SCHEMA,))
    return await open_database(url, schema, durable=True)


class Owner:
    """One replica of the owner."""

    def __init__(self, database: Database, log: Log, *, timeout_s: float = 30) -> None:
        self.announcements: Final = Announcements(ANNOUNCED, database, log, timeout_s=timeout_s)
        self.announcer: Final = Announcer(self.announcements, log)

    async def set(self, *values: int) -> None:
        """Give numbers to the names that they are called by; those that have them stay."""

        def work(connection: Connection) -> None:
            for value in values:
                row = {"name": str(value), "value": value}
                statement = insert(connection, _NUMBERS).values(row).on_conflict_do_nothing()
                if connection.execute(statement).rowcount:
                    self.announcements.put(connection, Number(value))

        await self.announcements.write(work)

    @asynccontextmanager
    async def announcing(self) -> AsyncIterator["Owner"]:
        """Run its announcer meanwhile."""
        task = asyncio.create_task(self.announcer.run())
        # It says so before it awaits anything.
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])


async def announced(log: Log) -> list[Record]:
    """Return all that is announced by now."""
    bounds = await log.bounds(SPREAD.name)
    tail = await log.tail(SPREAD.name, dict.fromkeys(bounds, 0))
    records: list[Record] = []
    while len(records) < sum(end for _, end in bounds.values()):
        records += await tail.read()
    await tail.close()
    return records


def values_of(records: Sequence[Record]) -> list[int]:
    """Return the numbers that records carry."""
    return [SPREAD.decode(record.value).value for record in records]


def sequences_of(records: Sequence[Record]) -> dict[int, list[int]]:
    """Return by partition the numbers that the outbox gave, in the order of the log."""
    found: dict[int, list[int]] = {}
    for record in records:
        assert record.origin is not None
        assert record.origin.stream == ANNOUNCED.stream
        found.setdefault(record.partition, []).append(record.origin.sequence)
    return found
