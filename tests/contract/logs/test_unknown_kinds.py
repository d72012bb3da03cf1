"""A record of a kind that a version does not know waits for a newer one: nobody passes it over."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from base.database import Database
from logs.consumer.counts import UNKNOWN_RECORDS
from logs.consumer.loop import Consumer
from logs.log import Log, Origin, Position, Record
from logs.tail_reader import UNKNOWN_RECORDS as UNKNOWN_IN_MEMORY
from logs.tail_reader import Decoding, TailReader
from logs.topics import REJECTED
from logs.unknown_records import UnknownRecord
from tests.contract.logs.ledger import (
    Behaviour,
    catch_up,
    make_consumer,
    open_ledger,
    running,
    select_values,
)
from tests.contract.logs.remembering import Replica, replicas
from tests.contract.logs.two_versions import NEWER, OLDER, new, old
from tests.contract.logs.under_test import DERIVED, SPREAD, LogHost, Number, take, value_of
from tests.contract.logs.with_databases import LOGS_WITH_DATABASES, host_of, url_of

ALICE, BOB = "alice", "bob"


@pytest.fixture(params=LOGS_WITH_DATABASES)
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogHost]:
    host = host_of(request, tmp_path)
    yield host
    await host.close()


@pytest.fixture
def url(request: pytest.FixtureRequest, host: LogHost, tmp_path: Path) -> str:
    del host
    return url_of(request, tmp_path)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = await open_ledger(url)
    yield database
    await database.close()


async def until(is_so: Callable[[], object]) -> None:
    """Return once this is so."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0.005)


def told_in(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the lines that say that somebody stands still."""
    return [one for one in caplog.records if one.name == "logs.unknown_records"]


def place(log: Log, offset: int, key: str = ALICE) -> Position:
    """Return a position in the partition of a key."""
    return Position(log.partition_of(SPREAD.name, key), offset)


async def stands_at(consumer: Consumer[Number], position: Position) -> None:
    """Return once a consumer stands still, which it does here."""
    await until(lambda: consumer.unknown_records)
    assert consumer.unknown_records == [UnknownRecord(SPREAD.name, *position, "new")]
    assert consumer.position(position.partition) == position.offset


async def test_a_consumer_stands_still_and_goes_on_in_order_as_a_newer_version(
    log: Log, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    partition = place(log, 0).partition
    assert partition != place(log, 0, BOB).partition
    await log.append(SPREAD.name, [old(1), old(2), new(3), old(4), new(5), old(10, BOB)])
    too_old = make_consumer(log, database, topic=OLDER)
    async with running(too_old):
        await stands_at(too_old, place(log, 2))
        [elsewhere] = await log.append(SPREAD.name, [old(11, BOB)])
        await log.append(SPREAD.name, [old(6)])
        await too_old.wait_for(elsewhere, 30)
        assert await too_old.lag() == {one: 4 * (one == partition) for one in range(4)}
        shown = [one.labels for one in too_old.readings() if one.family is UNKNOWN_RECORDS]
    assert sorted(await select_values(database)) == [1, 2, 10, 11]
    assert shown == [("ledger", SPREAD.name, str(partition), "new")]
    assert too_old.counts.rejected == too_old.counts.failures == 0
    [told] = told_in(caplog)
    assert "start a newer version" in told.getMessage()
    assert told.levelno == logging.ERROR
    said = [vars(told)[name] for name in ("reader", "topic", "partition", "offset", "kind")]
    assert said == ["ledger", SPREAD.name, partition, 2, "new"]

    newer = make_consumer(log, database, topic=NEWER)
    async with running(newer):
        await catch_up(newer, log)
        reader = await log.tail(DERIVED.name, dict.fromkeys(range(4), 0))
        # What was sent before may be sent again, under its number.
        derived: dict[Origin | None, int] = {}
        while len(derived) < 8:
            derived |= {one.origin: value_of(one) for one in await take(reader, 1)}
        await reader.close()

    values = await select_values(database)
    assert [one for one in values if one < 10] == [1, 2, 3, 4, 5, 6]
    assert sorted(values) == [1, 2, 3, 4, 5, 6, 10, 11]
    stream = f"ledger/{SPREAD.name}/{partition}"
    assert [derived[Origin(stream, number)] for number in range(6)] == [1, 2, 3, 4, 5, 6]
    assert (await log.bounds(REJECTED.name))[0][1] == 0


async def test_an_old_version_that_starts_again_stands_at_the_same_record(
    log: Log, database: Database
) -> None:
    await log.append(SPREAD.name, [new(1), old(2)])
    for _ in range(2):
        too_old = make_consumer(log, database, topic=OLDER)
        async with running(too_old):
            await stands_at(too_old, place(log, 0))

    assert await select_values(database) == []


async def test_what_comes_before_it_is_done_though_some_of_it_is_bad(
    log: Log, database: Database
) -> None:
    behaviour = Behaviour()
    behaviour.poison.add(2)
    await log.append(
        SPREAD.name, [old(1), old(2), old(3)._replace(value=b"?"), old(4), new(5), old(6)]
    )
    too_old = make_consumer(log, database, behaviour, topic=OLDER)
    async with running(too_old):
        await stands_at(too_old, place(log, 4))

    assert await select_values(database) == [1, 4]
    assert too_old.counts.rejected == 2


async def test_its_number_is_not_seen_before_it_is_processed(log: Log, database: Database) -> None:
    records = [old(0), new(1), old(2)]
    numbered = [
        record._replace(origin=Origin("other/Input/0", number))
        for number, record in enumerate(records)
    ]
    await log.append(SPREAD.name, numbered)
    too_old = make_consumer(log, database, topic=OLDER)
    async with running(too_old):
        await stands_at(too_old, place(log, 1))
    newer = make_consumer(log, database, topic=NEWER)
    async with running(newer):
        await catch_up(newer, log)

    assert await select_values(database) == [0, 1, 2]
    assert (newer.counts.repeats, newer.counts.gaps) == (0, 0)


async def test_an_instance_of_a_newer_version_takes_over_where_an_old_one_stands(
    host: LogHost, database: Database
) -> None:
    log = await host.open()
    await log.append(SPREAD.name, [old(1), new(2), old(3), old(10, BOB), new(11, BOB)])
    too_old = make_consumer(log, database, topic=OLDER)
    newer = make_consumer(await host.open(), database, topic=NEWER)
    async with running(newer):
        async with running(too_old):
            await until(lambda: len(too_old.owned_positions()) == 2)
        await catch_up(newer, log)

    values = await select_values(database)
    assert sorted(values) == [1, 2, 3, 10, 11]
    assert [one for one in values if one < 10] == [1, 2, 3]


class _Heard:
    """What a reader was told."""

    def __init__(self) -> None:
        self.values: list[int] = []
        self.begun = 0
        self.is_current = False

    def take(self, records: Sequence[tuple[Record, Number | None]]) -> None:
        self.values += [value.value for _, value in records if value is not None]

    def begin(self) -> None:
        self.begun += 1
        self.is_current = True

    def pause(self) -> None:
        self.is_current = False


async def test_a_reader_beside_the_consumers_stands_still_and_other_partitions_go_on(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    heard = _Heard()
    reader = TailReader(
        log, Decoding("test", OLDER), heard.take, begin=heard.begin, pause=heard.pause
    )
    task = asyncio.create_task(reader.run())
    await until(lambda: heard.is_current)
    await log.append(SPREAD.name, [old(1), new(2), old(3), old(10, BOB)])
    await until(lambda: {1, 10} <= {*heard.values})
    await until(lambda: not heard.is_current)
    await log.append(SPREAD.name, [old(4), new(5), old(11, BOB)])
    await until(lambda: 11 in heard.values)
    shown = [one.labels for one in reader.readings() if one.family is UNKNOWN_IN_MEMORY]
    task.cancel()
    await asyncio.wait([task])

    assert sorted(heard.values) == [1, 10, 11]
    assert (heard.begun, heard.is_current) == (1, False)
    assert shown == [("test", SPREAD.name, str(place(log, 0).partition), "new")]
    assert len(told_in(caplog)) == 1


async def test_memory_stands_still_where_a_newer_replica_goes_on(log: Log, url: str) -> None:
    async with replicas(log, url, 2, topics=[NEWER, OLDER]) as (newer, too_old):
        keys = [f"room{number}" for number in range(20)]
        await log.append(SPREAD.name, [old(100 + one, key) for one, key in enumerate(keys)])
        await asyncio.gather(newer.up_to_date(), too_old.up_to_date())
        await log.append(SPREAD.name, [new(200 + one, key) for one, key in enumerate(keys)])
        await log.append(SPREAD.name, [old(300 + one, key) for one, key in enumerate(keys)])
        its_own = too_old.owned()
        await until(lambda: len(too_old.topic.consumer.unknown_records) == 2)
        await until(lambda: len(stopped_memory(too_old)) == 2)

        assert too_old.known == list(range(100, 120))
        assert {*stopped_memory(too_old)} == {*range(4)} - {*its_own}
        await too_old.stop_consuming()
        await newer.up_to_date()

        assert newer.known == [*range(100, 120), *range(200, 220), *range(300, 320)]
        assert too_old.known == list(range(100, 120))


def stopped_memory(replica: Replica) -> list[int]:
    """Return the partitions of which a replica's memory stands still."""
    readings = replica.topic.readings()
    return [int(one.labels[2]) for one in readings if one.family is UNKNOWN_IN_MEMORY]
