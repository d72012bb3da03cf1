"""A consumer whose log was lost or cut is bound to the log that is there; nothing is doubled."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from base.database import Database
from logs.consumer.rebinding import find_rebindings, rebind
from logs.consumer.tables import reset_positions
from logs.embedded import EmbeddedLog
from logs.log import LogReplaced, Outgoing
from tests.contract.logs.ledger import (
    Behaviour,
    UnreliableLog,
    catch_up,
    make_consumer,
    open_ledger,
    running,
    select_values,
)
from tests.contract.logs.under_test import DERIVED, NUMBERS, SPREAD, TOPICS, Number, numbered, take


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await open_ledger(f"sqlite:///{tmp_path / 'databases'}")
    yield database
    await database.close()


@pytest.fixture
async def reading(tmp_path: Path) -> AsyncIterator[Database]:
    """The database of a consumer of what is derived."""
    database = await open_ledger(f"sqlite:///{tmp_path / 'databases'}", "reader")
    yield database
    await database.close()


def spread(*values: int) -> list[Outgoing]:
    """Return records of these numbers, of many keys."""
    return [Outgoing(f"k{value % 13}", NUMBERS.encode(Number(value))) for value in values]


async def derived(log: EmbeddedLog, count: int) -> None:
    """Return once so many records have been derived."""
    bounds = await log.bounds(DERIVED.name)
    tail = await log.tail(DERIVED.name, {number: first for number, (first, _) in bounds.items()})
    await take(tail, count)
    await tail.close()


@pytest.mark.parametrize("partitions", [2, 4, 7])
async def test_what_was_not_sent_goes_to_the_new_log_once_whatever_its_partitions(
    database: Database, reading: Database, tmp_path: Path, partitions: int
) -> None:
    log = await EmbeddedLog.open(tmp_path / "lost", TOPICS)
    consumer = make_consumer(log, database, topic=SPREAD)
    async with running(consumer):
        # So that the former numbers are high, and differ by partition.
        await log.append("Spread", spread(*range(1000, 1100)))
        await catch_up(consumer, log)
        await derived(log, 100)
    away = UnreliableLog(log)
    away.is_away = True
    consumer = make_consumer(away, database, topic=SPREAD)
    async with running(consumer):
        await log.append("Spread", spread(*range(40)))
        await catch_up(consumer, log)
    await log.close()
    new = await EmbeddedLog.open(tmp_path / "new", TOPICS | {"Spread": partitions, "Derived": 3})
    await new.append("Spread", spread(*range(40, 60)))

    found = await find_rebindings(new, database, "ledger", "Spread")
    await rebind(new, database, "ledger", "Spread")
    again = await find_rebindings(new, database, "ledger", "Spread")
    await rebind(new, database, "ledger", "Spread")

    assert [one.partition for one in found] == [0, 1, 2, 3]
    assert sum(one.unsent for one in found) >= 40
    assert again == []
    consumer = make_consumer(new, database, topic=SPREAD)
    last = Behaviour()
    last.passes_on = False
    reader = make_consumer(new, reading, last, topic=DERIVED)
    async with running(consumer, reader):
        await catch_up(consumer, new)
        await new.append("Spread", spread(*range(60, 100)))
        await catch_up(consumer, new)
        await derived(new, sum(one.unsent for one in found) + 60)
        await catch_up(reader, new)
    values = await select_values(reading)
    assert sorted(value for value in values if value < 1000) == list(range(100))
    for key in range(13):
        of_key = [value for value in values if value % 13 == key and value < 1000]
        assert of_key == sorted(of_key)
    assert (reader.counts.repeats, reader.counts.gaps) == (0, 0)
    await new.close()


async def test_a_topic_made_anew_with_fewer_partitions_is_noticed(
    database: Database, tmp_path: Path
) -> None:
    log = await EmbeddedLog.open(tmp_path / "log", TOPICS | {"Spread": 3})
    await database.write(
        lambda connection: reset_positions(connection, "ledger", "Spread", {3: 7}, log.generation)
    )
    consumer = make_consumer(log, database, topic=SPREAD)

    with pytest.raises(LogReplaced, match="Spread/3 up to 7, and the topic has 3 partitions"):
        await consumer.require_records()

    await rebind(log, database, "ledger", "Spread")
    await consumer.require_records()
    await log.close()


async def test_a_log_that_was_cut_is_noticed_and_goes_on_where_it_ends(
    database: Database, reading: Database, tmp_path: Path
) -> None:
    log = await EmbeddedLog.open(tmp_path / "log", TOPICS)
    consumer = make_consumer(log, database)
    async with running(consumer):
        for value in range(20):
            await log.append("Numbers", numbered(value))
            if value == 9:
                await catch_up(consumer, log)
                shutil.copytree(tmp_path / "log", tmp_path / "backup")
        await catch_up(consumer, log)
        await derived(log, 20)
    await log.close()
    cut = await EmbeddedLog.open(tmp_path / "backup", TOPICS)
    consumer = make_consumer(cut, database)
    with pytest.raises(LogReplaced, match="up to 20, and the topic ends at 10"):
        await consumer.require_records()

    with pytest.raises(LogReplaced):
        await consumer.skip_lost_records()
    [found] = await find_rebindings(cut, database, "ledger", "Numbers")
    await rebind(cut, database, "ledger", "Numbers")

    assert (found.partition, found.processed, found.start) == (0, 20, 10)
    await consumer.require_records()
    last = Behaviour()
    last.passes_on = False
    reader = make_consumer(cut, reading, last, topic=DERIVED)
    ends = {number: end for number, (_, end) in (await cut.bounds("Derived")).items()}
    await reading.write(
        lambda connection: reset_positions(connection, "ledger", "Derived", ends, cut.generation)
    )
    async with running(consumer, reader):
        await cut.append("Numbers", numbered(20, 21))
        await catch_up(consumer, cut)
        await derived(cut, sum(ends.values()) + found.unsent + 2)
        await catch_up(reader, cut)
    assert await select_values(database) == list(range(22))
    values = await select_values(reading)
    assert values[-2:] == [20, 21]
    assert len(values) == len(set(values))
    assert reader.counts.gaps == 0
    await cut.close()
