"""Transactions are recognised for a day, and forgotten by themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy.engine import Connection

from base.clock import ManualClock
from base.database import open_database
from components.roomserver.assembly import SCHEMA
from components.roomserver.cleaning import TransactionCleaner
from components.roomserver.store.events import EventStore
from logs.records.room_input import Transaction
from matrix.identifiers import EventID

T = TypeVar("T")

DAY_MS = 24 * 3600 * 1000


def remember(count: int, prefix: str, timestamp_ms: int) -> Callable[[Connection], None]:
    made = {
        Transaction("@alice:xylem.test", "PHONE", f"{prefix}{number}"): EventID(f"${number}")
        for number in range(count)
    }
    return lambda connection: EventStore(connection).insert_transactions(made, timestamp_ms)


def count(connection: Connection) -> int:
    return connection.exec_driver_sql("SELECT count(*) FROM transactions").scalar() or 0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    is_postgres = request.param == "postgres"
    return request.getfixturevalue("postgres_url") if is_postgres else f"sqlite:///{tmp_path}"


async def test_old_transactions_go_a_few_at_a_time_also_where_nobody_sends_anything(
    database_url: str,
) -> None:
    clock = ManualClock()
    database = await open_database(database_url, SCHEMA)
    await database.write(remember(1200, "old", clock.now_ms()))
    clock.advance_ms(DAY_MS)
    await database.write(remember(700, "new", clock.now_ms()))
    cleaner = TransactionCleaner(database, clock)

    await cleaner.clean()
    young = await database.read(count)
    clock.advance_ms(1)
    left = [await database.read(count) async for _ in cleaner.steps()]
    await database.close()

    assert young == 1900
    # In the order of keys, in which the new ones come first.
    assert left == [1900, 1600, 1100, 700]
