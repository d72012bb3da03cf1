"""The consumer loop: every record has its effects once, whatever happens in between."""

import asyncio
import errno
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import Database, DatabaseOutage
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.tables import ConsumerStore, reset_positions
from logs.log import Log, LogOutage, Origin, Outgoing, Position, Record, RecordsLost
from logs.records.rejected import RejectedRecord
from logs.topics import REJECTED
from tests.contract.logs.ledger import (
    Behaviour,
    Ledger,
    UnreliableLog,
    catch_up,
    make_consumer,
    open_ledger,
    running,
    select_values,
)
from tests.contract.logs.under_test import (
    DERIVED,
    NUMBERS,
    SPREAD,
    EmbeddedHost,
    LogHost,
    Number,
    numbered,
    take,
    value_of,
)
from tests.contract.logs.with_databases import LOGS_WITH_DATABASES, host_of, url_of


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


async def _rejected(log: Log, count: int) -> list[RejectedRecord]:
    reader = await log.tail(REJECTED.name, {0: 0})
    records = await take(reader, count)
    await reader.close()
    return [REJECTED.decode(record.value) for record in records]


async def _derived(log: Log, count: int) -> list[Record]:
    reader = await log.tail(DERIVED.name, dict.fromkeys(range(4), 0))
    records = await take(reader, count)
    await reader.close()
    return records


async def test_each_record_has_its_effect_once_and_its_output_once(
    log: Log, database: Database
) -> None:
    consumer = make_consumer(log, database)
    async with running(consumer):
        for start in range(0, 100, 20):
            await log.append("Numbers", numbered(*range(start, start + 20)))
        await catch_up(consumer, log)

    assert await select_values(database) == list(range(100))
    derived = await _derived(log, 100)
    assert [value_of(record) for record in derived] == list(range(100))
    origins = [record.origin for record in derived]
    assert origins == [Origin("ledger/Numbers/0", number) for number in range(100)]


async def test_output_that_is_in_the_log_is_written_over(log: Log, database: Database) -> None:
    consumer = make_consumer(log, database)
    async with running(consumer):
        for value in range(30):
            await log.append("Numbers", numbered(value))
            await catch_up(consumer, log)
            await _derived(log, value + 1)

    kept = (await database.read(ConsumerStore("ledger", "Numbers").select_stored))[0].outbox
    assert kept[-1][0] == 30
    assert len(kept) <= 3


async def test_a_consumer_goes_on_where_it_stopped(log: Log, database: Database) -> None:
    await log.append("Numbers", numbered(1, 2, 3))
    first = make_consumer(log, database)
    async with running(first):
        await catch_up(first, log)
    await log.append("Numbers", numbered(4, 5))

    second = make_consumer(log, database)
    async with running(second):
        await catch_up(second, log)

    assert await select_values(database) == [1, 2, 3, 4, 5]


async def test_batches_of_no_concern_are_passed_over_and_their_end_is_committed_later(
    log: Log, database: Database
) -> None:
    behaviour = Behaviour()
    behaviour.unconcerned.update(range(10))
    consumer = make_consumer(log, database, behaviour)
    async with running(consumer):
        await log.append("Numbers", numbered(*range(10)))
        await catch_up(consumer, log)
        # Who owns no partition looks into the database.
        await make_consumer(log, database).wait_for(Position(0, 9), 30)
        await log.append("Numbers", numbered(10))
        await catch_up(consumer, log)

    assert behaviour.committed == [10]
    assert await select_values(database) == [10]


async def test_what_was_passed_over_is_committed_at_the_end(log: Log, database: Database) -> None:
    behaviour = Behaviour()
    behaviour.unconcerned.update(range(10))
    consumer = make_consumer(log, database, behaviour)
    async with running(consumer):
        await log.append("Numbers", numbered(*range(10)))
        await catch_up(consumer, log)

    assert await consumer.positions() == {0: 10}


@pytest.mark.parametrize("max_batch", [1, 2, 7])
async def test_records_of_no_concern_between_others_change_nothing(
    log: Log, database: Database, max_batch: int
) -> None:
    behaviour = Behaviour()
    behaviour.unconcerned.update(value for value in range(60) if value % 5 < 3)
    behaviour.poison.add(34)
    first, second = (make_consumer(log, database, behaviour, max_batch=max_batch) for _ in range(2))
    stream = [
        Outgoing("k", NUMBERS.encode(Number(value)), Origin("other/Input/0", value))
        for value in range(60)
    ]
    async with running(first):
        await log.append("Numbers", stream[:40])
        await catch_up(first, log)
    async with running(second):
        await log.append("Numbers", stream[35:])
        await catch_up(second, log)

    expected = [value for value in range(60) if value % 5 > 2 and value != 34]
    assert await select_values(database) == expected
    by_origin = {record.origin: value_of(record) for record in await _derived(log, len(expected))}
    assert by_origin == {
        origin: expected[origin.sequence] for origin in by_origin if origin is not None
    }
    assert (first.counts.gaps, second.counts.gaps) == (0, 0)
    assert second.counts.repeats == 5


async def test_two_owners_that_pass_over_records_have_the_others_effects_once(
    log: Log, database: Database
) -> None:
    behaviour = Behaviour()
    behaviour.unconcerned.update(value for value in range(200) if value % 20 < 15)
    first = make_consumer(log, database, behaviour, max_batch=4)
    other_log = UnreliableLog(log, group_suffix="-2")
    second = make_consumer(other_log, database, behaviour, max_batch=3)
    async with running(first, second):
        for start in range(0, 200, 10):
            await log.append("Numbers", numbered(*range(start, start + 10)))
        await catch_up(first, log)
        await catch_up(second, log)

    assert await select_values(database) == [value for value in range(200) if value % 20 >= 15]


async def test_records_seen_before_are_dropped(log: Log, database: Database) -> None:
    def derived(sequence: int, stream: str = "other/Input/0") -> Outgoing:
        return Outgoing("k", NUMBERS.encode(Number(sequence)), Origin(stream, sequence))

    consumer = make_consumer(log, database, max_batch=3)
    async with running(consumer):
        await log.append("Numbers", [derived(0), derived(1), derived(1)])
        await log.append("Numbers", [derived(0), derived(1), derived(2), derived(2)])
        await log.append("Numbers", [derived(0, "another/Input/0"), derived(3)])
        await catch_up(consumer, log)

    assert await select_values(database) == [0, 1, 2, 0, 3]
    assert consumer.counts.repeats == 4
    assert consumer.counts.gaps == 0


async def test_a_hole_in_a_stream_is_counted_and_what_follows_is_processed(
    log: Log, database: Database
) -> None:
    records = [
        Outgoing("k", NUMBERS.encode(Number(sequence)), Origin("other/Input/0", sequence))
        for sequence in (4, 5, 8)
    ]
    consumer = make_consumer(log, database)
    async with running(consumer):
        await log.append("Numbers", records)
        await catch_up(consumer, log)

    assert await select_values(database) == [4, 5, 8]
    assert consumer.counts.gaps == 1


async def test_output_that_was_not_sent_is_sent_first_by_the_next_owner(
    log: Log, database: Database
) -> None:
    away = UnreliableLog(log)
    away.is_away = True
    first = make_consumer(away, database)
    async with running(first):
        await log.append("Numbers", numbered(1, 2, 3))
        await catch_up(first, log)
        await away.was_asked.wait()
    await log.append("Numbers", numbered(4))

    second = make_consumer(log, database)
    async with running(second):
        derived = await _derived(log, 4)

    assert [value_of(record) for record in derived] == [1, 2, 3, 4]
    assert [record.origin.sequence for record in derived if record.origin] == [0, 1, 2, 3]


async def test_output_that_was_sent_twice_takes_effect_once(
    log: Log, database: Database, url: str
) -> None:
    forgetful = UnreliableLog(log)
    forgetful.forgets_to_answer = 2
    reader_database = await open_ledger(url, "reader")
    first = make_consumer(forgetful, database)
    last = Behaviour()
    last.passes_on = False
    reader = make_consumer(log, reader_database, last, topic=DERIVED)
    async with running(first):
        await log.append("Numbers", numbered(1, 2, 3))
        derived = await _derived(log, 9)
    async with running(reader):
        await catch_up(reader, log)

    assert [value_of(record) for record in derived] == [1, 2, 3] * 3
    assert await select_values(reader_database) == [1, 2, 3]
    await reader_database.close()


async def test_an_instance_that_lost_its_partition_unawares_is_fenced(
    log: Log, database: Database
) -> None:
    # Both believe that they own the partition.
    one = make_consumer(log, database, max_batch=2)
    zombie = make_consumer(UnreliableLog(log, group_suffix="-zombie"), database, max_batch=3)

    async with running(one, zombie):
        for value in range(40):
            await log.append("Numbers", numbered(value))
        await catch_up(one, log)
        await catch_up(zombie, log)

    assert one.counts.fenced + zombie.counts.fenced > 0
    assert await select_values(database) == list(range(40))
    by_origin = {record.origin: value_of(record) for record in await _derived(log, 40)}
    assert by_origin == {Origin("ledger/Numbers/0", value): value for value in range(40)}


async def test_a_second_instance_shares_the_work_and_takes_over(
    host: LogHost, database: Database
) -> None:
    log = await host.open()
    keys = [f"room{number}" for number in range(40)]
    one = make_consumer(log, database, topic=SPREAD)
    other = make_consumer(await host.open(), database, topic=SPREAD)

    async with running(one):
        for value, key in enumerate(keys):
            await log.append("Spread", numbered(value, key=key))
        await catch_up(one, log)
        async with running(other):
            for value, key in enumerate(keys, 40):
                await log.append("Spread", numbered(value, key=key))
            await catch_up(one, log)
            await catch_up(other, log)
        for value, key in enumerate(keys, 80):
            await log.append("Spread", numbered(value, key=key))
        await catch_up(one, log)

    assert Counter(await select_values(database)) == Counter(range(120))


async def test_a_poisonous_record_is_rejected_and_the_next_one_follows(
    log: Log, database: Database
) -> None:
    behaviour = Behaviour()
    behaviour.poison.add(3)
    consumer = make_consumer(log, database, behaviour)
    async with running(consumer):
        await log.append("Numbers", numbered(1, 2, 3, 4, 5))
        await catch_up(consumer, log)
        [rejected] = await _rejected(log, 1)

    assert await select_values(database) == [1, 2, 4, 5]
    assert behaviour.committed == [1, 2, 4, 5]
    assert (rejected.topic, rejected.partition, rejected.offset) == ("Numbers", 0, 2)
    assert (rejected.consumer, rejected.key) == ("ledger", "alice")
    assert NUMBERS.decode(rejected.value).value == 3
    assert rejected.reason == "ZeroDivisionError: nobody expected this"
    assert consumer.counts.rejected == 1
    assert consumer.counts.failures == 4


async def test_a_record_that_leads_to_a_wrong_statement_is_rejected(
    log: Log, database: Database
) -> None:
    class Wrong(Ledger):
        def process(
            self, connection: Connection, messages: Sequence[Message[Number]], outbox: Outbox
        ) -> None:
            super().process(connection, messages, outbox)
            if any(message.value.value == 2 for message in messages):
                connection.exec_driver_sql("SELECT nothing FROM entries")

    consumer = Consumer("ledger", NUMBERS, lambda _: Wrong(Behaviour()), log, database)
    async with running(consumer):
        await log.append("Numbers", numbered(1, 2, 3))
        await catch_up(consumer, log)
        [rejected] = await _rejected(log, 1)

    assert await select_values(database) == [1, 3]
    assert (rejected.offset, consumer.counts.outages) == (1, 0)


async def test_rows_of_the_instance_that_took_over_make_no_record_of_a_zombie_poisonous(
    log: Log, database: Database
) -> None:
    # The zombie reads on; what it would enter, the owner has entered before.
    await log.append("Numbers", numbered(1, 2, 3))
    behaviour = Behaviour()
    asleep, gate = asyncio.Event(), asyncio.Event()

    class Zombie(Ledger):
        def process(
            self, connection: Connection, messages: Sequence[Message[Number]], outbox: Outbox
        ) -> None:
            if not gate.is_set():
                asleep.set()
                raise DatabaseOutage("It sleeps while the owner works.")
            super().process(connection, messages, outbox)
            if len(messages) > 0 and behaviour.poison:
                raise ZeroDivisionError("The row is there already.")

    zombie = Consumer(
        "ledger",
        NUMBERS,
        lambda _: Zombie(behaviour),
        UnreliableLog(log, group_suffix="-zombie"),
        database,
    )
    owner = make_consumer(log, database)
    async with running(zombie):
        await asleep.wait()
        async with running(owner):
            await catch_up(owner, log)
        behaviour.poison.add(1)
        gate.set()
        await catch_up(zombie, log)

    assert await select_values(database) == [1, 2, 3]
    assert (zombie.counts.rejected, zombie.counts.fenced) == (0, 1)


async def test_a_record_that_cannot_be_decoded_is_rejected_as_it_is(
    log: Log, database: Database
) -> None:
    consumer = make_consumer(log, database)
    async with running(consumer):
        await log.append("Numbers", [*numbered(1), Outgoing("bob", b"\xc1?"), *numbered(2)])
        await catch_up(consumer, log)
        [rejected] = await _rejected(log, 1)

    assert await select_values(database) == [1, 2]
    assert (rejected.offset, rejected.key, rejected.value) == (1, "bob", b"\xc1?")


async def test_a_record_refused_by_rule_is_rejected_with_the_reason(
    log: Log, database: Database
) -> None:
    behaviour = Behaviour()
    behaviour.refused.add(2)
    consumer = make_consumer(log, database, behaviour)
    async with running(consumer):
        await log.append("Numbers", numbered(1, 2, 3))
        [rejected] = await _rejected(log, 1)
        await catch_up(consumer, log)

    assert await select_values(database) == [1, 3]
    assert (rejected.offset, rejected.reason) == (1, "It is refused by rule.")


@pytest.mark.parametrize(
    "outage",
    [
        DatabaseOutage("the database is away"),
        LogOutage("the log is away"),
        MemoryError(),
        OSError(errno.EMFILE, "too many open files"),
        sa.exc.TimeoutError("no connection is free"),
    ],
    ids=lambda outage: type(outage).__name__,
)
async def test_an_outage_skips_nothing_however_long_it_lasts(
    log: Log, database: Database, outage: Exception
) -> None:
    behaviour = Behaviour()
    behaviour.outage = outage
    behaviour.outages[2] = 4
    consumer = make_consumer(log, database, behaviour, max_batch=2)
    async with running(consumer):
        await log.append("Numbers", numbered(1, 2, 3, 4))
        await catch_up(consumer, log)

    assert await select_values(database) == [1, 2, 3, 4]
    assert behaviour.committed == [1, 2, 3, 4]
    assert behaviour.aborted == consumer.counts.outages == 4
    assert consumer.counts.rejected == 0


async def test_an_instance_that_waits_for_its_database_can_be_stopped(
    log: Log, database: Database
) -> None:
    behaviour = Behaviour()
    behaviour.outages[1] = 1_000_000
    consumer = make_consumer(log, database, behaviour)
    async with running(consumer):
        await log.append("Numbers", numbered(1))
        async with asyncio.timeout(30):
            while consumer.counts.outages == 0:  # noqa: ASYNC110 — counts tell nobody
                await asyncio.sleep(0.01)

    assert await select_values(database) == []


async def test_output_is_numbered_alike_however_the_input_is_cut(log: Log, url: str) -> None:
    records = [record for value in range(60) for record in numbered(value, key=f"k{value % 7}")]
    records[10] = Outgoing("k", b"not a number")
    records[33] = Outgoing("k", b"nor this")
    await log.append("Numbers", records)
    cuts = (1, 7, 500)

    for number, max_batch in enumerate(cuts):
        behaviour = Behaviour()
        behaviour.refused.update({5, 12, 50})
        database = await open_ledger(url, f"copy{number}")
        copy = UnreliableLog(log, group_suffix=f"-{number}")
        consumer = make_consumer(copy, database, behaviour, max_batch=max_batch)
        async with running(consumer):
            await catch_up(consumer, log)
        await database.close()

    for topic, each in ((DERIVED, 55), (REJECTED, 5)):
        partitions = range(log.partition_count(topic.name))
        reader = await log.tail(topic.name, dict.fromkeys(partitions, 0))
        found = await take(reader, each * len(cuts))
        await reader.close()
        copies = Counter((record.partition, record.origin, record.value) for record in found)
        assert set(copies.values()) == {len(cuts)}
        assert len(copies) == each


async def test_waiting_for_a_position_ends_when_it_is_committed(
    log: Log, database: Database
) -> None:
    consumer = make_consumer(log, database)
    async with running(consumer):
        [position] = await log.append("Numbers", numbered(1))
        await consumer.wait_for(position, 30)
        assert await select_values(database) == [1]
        assert consumer.position(0) == 1

        with pytest.raises(TimeoutError):
            await consumer.wait_for(Position(0, 1), 0.05)


async def test_another_instance_can_wait_for_a_position_that_it_does_not_own(
    log: Log, database: Database
) -> None:
    owner = make_consumer(log, database)
    other = make_consumer(log, database)
    async with running(owner):
        [position] = await log.append("Numbers", numbered(1))
        await other.wait_for(position, 30)

    assert other.position(0) is None


async def test_durable_positions_and_lag_tell_how_far_it_is(log: Log, database: Database) -> None:
    await log.append("Numbers", numbered(1, 2, 3))
    consumer = make_consumer(log, database)
    async with running(consumer):
        await catch_up(consumer, log)
        assert await consumer.lag() == {0: 0}
    await log.append("Numbers", numbered(4, 5))

    assert await consumer.durable_positions() == {0: 3}
    assert await consumer.lag() == {0: 2}


async def test_a_consumer_of_another_log_is_told_that_its_records_are_lost(
    database: Database, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        host = EmbeddedHost(tmp_path / folder)
        log = await host.open()
        await log.append("Numbers", numbered(1))
        consumer = make_consumer(log, database)
        if folder == "one":
            async with running(consumer):
                await catch_up(consumer, log)
        else:
            with pytest.raises(RecordsLost):
                await consumer.run()
        await host.close()


async def test_a_consumer_that_was_reset_begins_anew_with_a_numbering_of_its_own(
    log: Log, database: Database
) -> None:
    await log.append("Numbers", numbered(1, 2, 3, 4))
    first = make_consumer(log, database)
    async with running(first):
        await catch_up(first, log)

    await database.write(
        lambda connection: reset_positions(connection, "ledger", "Numbers", {0: 2}, log.generation)
    )
    second = make_consumer(log, database)
    async with running(second):
        await catch_up(second, log)

    assert await select_values(database) == [1, 2, 3, 4, 3, 4]
    origins = [record.origin for record in await _derived(log, 6)]
    assert origins[4:] == [Origin("ledger/Numbers/0@2", 0), Origin("ledger/Numbers/0@2", 1)]
