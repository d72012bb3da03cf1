"""A reader's tables are made again beside those that serve, from an owner and the topics."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from base.database import Database, DatabaseOutage, SchemaTooOld, open_database
from logs.log import Log, Outgoing
from logs.rebuilding import RebuildGround, RebuildProgress, RebuildRefused
from logs.rebuilding.copies import select_copies
from logs.rebuilding.rebuild import rebuild
from logs.rebuilding.serving import ServingCopy, ServingWatch
from tests.contract.logs.rebuilt_numbers import (
    REGISTER,
    SCHEMA,
    CopiesAt,
    Part,
    Place,
    RebuiltNumbers,
    serving,
)
from tests.contract.logs.under_test import NUMBERS, LogHost, Number
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
async def register(url: str) -> AsyncIterator[Database]:
    database = await open_database(url, REGISTER)
    yield database
    await database.close()


class Rebuilds:
    """Rebuilds over one log and its databases."""

    def __init__(self, log: Log, url: str, register: Database) -> None:
        self.log, self.url = log, url
        self.ground = RebuildGround(log, register, CopiesAt(url))

    async def make(
        self,
        reader: RebuiltNumbers,
        show: Callable[[RebuildProgress], None] = lambda _: None,
    ) -> None:
        """Make the tables again while nobody serves."""
        await rebuild(self.ground, reader, show, notice_s=0)

    async def append(self, *values: int, padding: bytes = b"") -> None:
        """Tell the topic of numbers, one after another."""
        for value in values:
            record = Outgoing("key", NUMBERS.encode(Number(value, padding)))
            await self.log.append(NUMBERS.name, [record])

    async def serving(self) -> tuple[int, list[int]]:
        """Return the number of the copy that serves, and what it has."""
        return await serving(self.url, self.ground.register)


@pytest.fixture
def rebuilds(log: Log, url: str, register: Database) -> Rebuilds:
    return Rebuilds(log, url, register)


class Killed(Exception):
    """Stands for the end of the process."""


class Dying(RebuiltNumbers):
    """A reader whose process ends after some parts of its history."""

    def __init__(self, log: Log, owned: list[int], parts: int) -> None:
        super().__init__(log, owned)
        self._parts = parts

    async def history(self, copy: Database, former: Database | None) -> "Dying":
        del copy, former
        return self

    async def read(self, cursor: Place) -> Part | None:
        if self._parts == 0:
            raise Killed
        self._parts -= 1
        return await super().read(cursor)


async def test_a_copy_has_what_the_owner_keeps_and_what_the_topic_tells_behind_it(
    rebuilds: Rebuilds,
) -> None:
    await rebuilds.append(1, 2, 3)
    told: list[RebuildProgress] = []

    class Late(RebuiltNumbers):
        async def count_rooms(self) -> int:
            await rebuilds.append(100, 101)
            return 1

    await rebuilds.make(Late(rebuilds.log, list(range(35))), told.append)

    assert await rebuilds.serving() == (1, [*range(35), 100, 101])
    assert told[0] == RebuildProgress("numbers", 0, 1, 0)
    assert told[-1] == RebuildProgress("the topics", 1, 1, 35, 0)


async def test_copies_that_do_not_serve_any_more_are_dropped(rebuilds: Rebuilds) -> None:
    await rebuilds.make(RebuiltNumbers(rebuilds.log, [1]))
    await rebuilds.make(RebuiltNumbers(rebuilds.log, [1, 2]))

    assert await rebuilds.serving() == (2, [1, 2])
    assert set(await rebuilds.ground.register.read(select_copies)) == {2}
    with pytest.raises(SchemaTooOld):
        await open_database(rebuilds.url, SCHEMA.numbered(1), may_migrate=False)


async def test_a_rebuild_that_was_killed_goes_on_where_it_was(rebuilds: Rebuilds) -> None:
    owned = list(range(50))
    with pytest.raises(Killed):
        await rebuilds.make(Dying(rebuilds.log, owned, parts=3))
    assert (await rebuilds.serving())[0] == 0
    await rebuilds.append(100)
    reader = RebuiltNumbers(rebuilds.log, owned)

    await rebuilds.make(reader)

    assert reader.read_from[0] == 30
    assert await rebuilds.serving() == (1, [*owned, 100])


async def test_a_copy_whose_records_the_log_has_dropped_is_begun_again(rebuilds: Rebuilds) -> None:
    with pytest.raises(Killed):
        await rebuilds.make(Dying(rebuilds.log, list(range(50)), parts=3))
    # So many that files of the log are complete.
    await rebuilds.append(*range(100, 110), padding=bytes(30_000))
    await rebuilds.log.trim(NUMBERS.name, {0: 9})
    assert (await rebuilds.log.bounds(NUMBERS.name))[0][0] > 0
    reader = RebuiltNumbers(rebuilds.log, list(range(50)))

    await rebuilds.make(reader)

    assert reader.read_from[0] == 0
    assert await rebuilds.serving() == (1, list(range(50)))


async def test_an_outage_is_waited_out(rebuilds: Rebuilds) -> None:
    class Faltering(RebuiltNumbers):
        outages = 1

        async def history(self, copy: Database, former: Database | None) -> RebuiltNumbers:
            if self.outages:
                self.outages -= 1
                raise DatabaseOutage("It is away.")
            return await super().history(copy, former)

    await rebuilds.make(Faltering(rebuilds.log, list(range(30))))

    assert await rebuilds.serving() == (1, list(range(30)))


async def test_an_older_run_that_still_lives_can_write_no_more(rebuilds: Rebuilds) -> None:
    newer = RebuiltNumbers(rebuilds.log, list(range(50)))

    class Overtaken(RebuiltNumbers):
        async def read(self, cursor: Place) -> Part | None:
            if cursor.count == 20:
                with pytest.raises(Killed):
                    await rebuilds.make(Dying(rebuilds.log, list(range(50)), parts=1))
            return await super().read(cursor)

        async def history(self, copy: Database, former: Database | None) -> "Overtaken":
            del copy, former
            return self

    with pytest.raises(RebuildRefused):
        await rebuilds.make(Overtaken(rebuilds.log, list(range(50))))
    await rebuilds.make(newer)

    assert newer.read_from[0] == 30
    assert await rebuilds.serving() == (1, list(range(50)))


async def test_who_serves_notices_that_another_copy_does(rebuilds: Rebuilds) -> None:
    watch = ServingWatch(ServingCopy(rebuilds.ground.register, 0))
    watching = asyncio.create_task(watch.run())
    assert not await watch.query_replaced()

    await rebuilds.make(RebuiltNumbers(rebuilds.log, [1]))

    async with asyncio.timeout(20):
        await watch.replaced.wait()
    watching.cancel()
    await asyncio.wait([watching])
