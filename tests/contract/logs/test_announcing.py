"""What an owner has answered is in the log: once, numbered, in the order of its commits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from base.database import Database
from logs.announcing.reconciling import bind_to_log, query_newer_records
from logs.embedded import EmbeddedLog
from logs.log import Log
from matrix.errors import Unavailable
from tests.contract.logs.ledger import UnreliableLog
from tests.contract.logs.owner import (
    ANNOUNCED,
    Owner,
    announced,
    open_owner,
    sequences_of,
    values_of,
)
from tests.contract.logs.under_test import SPREAD, LogHost
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
    database = await open_owner(url)
    yield database
    await database.close()


async def test_what_is_written_is_in_the_log_when_the_write_returns(
    log: Log, database: Database
) -> None:
    owner = Owner(database, log)

    async with owner.announcing():
        await owner.set(1, 2, 3)

        assert sorted(values_of(await announced(log))) == [1, 2, 3]


async def test_records_are_numbered_without_holes_in_the_order_of_the_log(
    log: Log, database: Database
) -> None:
    owner = Owner(database, log)

    async with owner.announcing():
        await asyncio.gather(*(owner.set(value) for value in range(60)))

    for numbers in sequences_of(await announced(log)).values():
        assert numbers == list(range(len(numbers)))


async def test_writes_of_several_replicas_at_once_are_all_in_the_log(
    log: Log, database: Database
) -> None:
    one, other = Owner(database, log), Owner(database, log)

    async def write(owner: Owner, value: int) -> None:
        await owner.set(value)
        assert value in values_of(await announced(log))

    async with one.announcing(), other.announcing():
        await asyncio.gather(*(write(one if value % 2 else other, value) for value in range(20)))


async def test_a_write_that_changes_nothing_waits_for_what_had_changed_it(
    log: Log, database: Database
) -> None:
    away = UnreliableLog(log)
    away.is_away = True
    owner = Owner(database, away, timeout_s=0.1)

    async with owner.announcing():
        for _ in range(2):
            with pytest.raises(Unavailable):
                await owner.set(1)
        away.is_away = False

    owner = Owner(database, away)
    async with owner.announcing():
        await owner.set(1)

    assert values_of(await announced(log)) == [1]


async def test_without_an_announcer_a_write_does_not_wait_and_is_announced_later(
    log: Log, database: Database
) -> None:
    await Owner(database, log).set(1)
    assert await announced(log) == []

    await Owner(database, log).announcer.send_all()

    assert values_of(await announced(log)) == [1]


async def test_what_may_have_been_appended_is_appended_again_with_its_number(
    log: Log, database: Database
) -> None:
    silent = UnreliableLog(log)
    silent.forgets_to_answer = 1
    owner = Owner(database, silent)

    async with owner.announcing():
        await owner.set(1)

    first, again = await announced(log)
    assert first.origin == again.origin
    assert first.value == again.value


async def test_what_is_announced_is_not_announced_again_by_a_later_start(
    log: Log, database: Database
) -> None:
    owner = Owner(database, log)
    await owner.set(*range(10))
    await owner.announcer.send_all()

    await Owner(database, log).announcer.send_all()

    assert sorted(values_of(await announced(log))) == list(range(10))


async def test_a_database_put_back_to_an_older_state_gives_no_number_twice(
    log: Log, tmp_path: Path
) -> None:
    former = await open_owner(f"sqlite:///{tmp_path / 'former'}")
    owner = Owner(former, log)
    async with owner.announcing():
        await owner.set(*range(20))
    await former.close()

    put_back = await open_owner(f"sqlite:///{tmp_path / 'put back'}")
    owner = Owner(put_back, log)
    async with owner.announcing():
        await owner.set(*range(100, 120))
    await put_back.close()

    for numbers in sequences_of(await announced(log)).values():
        assert numbers == sorted(set(numbers))


async def test_what_waits_in_a_database_put_back_gets_numbers_behind_those_in_the_log(
    log: Log, tmp_path: Path
) -> None:
    former = await open_owner(f"sqlite:///{tmp_path / 'former'}")
    await Owner(former, log).set(*range(100))
    await Owner(former, log).announcer.send_all()
    await former.close()
    put_back = await open_owner(f"sqlite:///{tmp_path / 'put back'}")
    # As a command does, without an announcer.
    await Owner(put_back, log).set(*range(200, 220))

    async with Owner(put_back, log).announcing() as owner:
        await owner.set(*range(220, 240))
    await put_back.close()

    records = await announced(log)
    assert set(range(200, 240)) <= set(values_of(records))
    for numbers in sequences_of(records).values():
        assert numbers == sorted(set(numbers))


async def test_records_that_a_copied_database_lacks_are_newer_than_it(
    log: Log, database: Database
) -> None:
    owner = Owner(database, log)
    await owner.set(*range(20))
    await owner.announcer.send_all()
    is_newer = await query_newer_records(database, ANNOUNCED)
    await owner.set(*range(20, 40))
    await owner.announcer.send_all()

    records = await announced(log)

    assert sorted(values_of([one for one in records if is_newer(one)])) == list(range(20, 40))


async def test_what_waits_keeps_its_order_and_rising_numbers_in_other_partitions(
    tmp_path: Path,
) -> None:
    database = await open_owner(f"sqlite:///{tmp_path / 'databases'}")
    lost = await EmbeddedLog.open(tmp_path / "lost", {SPREAD.name: 5})
    owner = Owner(database, lost)
    await owner.set(*range(100))
    await owner.announcer.send_all()
    await owner.set(*range(100, 200))
    await lost.close()
    new = await EmbeddedLog.open(tmp_path / "new", {SPREAD.name: 2})

    await bind_to_log(database, new, ANNOUNCED)
    await bind_to_log(database, new, ANNOUNCED)
    owner = Owner(database, new)
    await owner.set(*range(200, 300))
    await owner.announcer.send_all()

    records = await announced(new)
    for numbers in sequences_of(records).values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert sorted(values_of(records)) == list(range(100, 300))
    for key in {record.key for record in records}:
        values = values_of([record for record in records if record.key == key])
        assert values == sorted(values)
    await new.close()
    await database.close()
