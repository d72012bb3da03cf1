"""Each replica remembers all of a topic, once and in order, whichever of them projects it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from logs.log import Log, Outgoing
from tests.contract.logs.remembering import REFUSED, replicas
from tests.contract.logs.under_test import SPREAD, LogHost, Number
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


async def append(log: Log, values: Iterable[int]) -> None:
    """Append numbers, spread over all partitions."""
    await log.append(
        SPREAD.name, [Outgoing(f"k{one % 13}", SPREAD.encode(Number(one))) for one in values]
    )


async def test_each_replica_remembers_what_any_of_them_has_projected(log: Log, url: str) -> None:
    async with replicas(log, url, 2) as (one, other):
        await append(log, range(100, 200))
        await one.up_to_date()
        await other.up_to_date()

        assert one.known == other.known == list(range(100, 200))
        assert one.projection.known == other.projection.known


async def test_what_was_projected_before_a_start_is_not_learned_again(log: Log, url: str) -> None:
    async with replicas(log, url, 1) as (one,):
        await append(log, range(100, 120))
        await one.up_to_date()

    async with replicas(log, url, 1) as (one,):
        await append(log, range(120, 140))
        await one.up_to_date()

        assert one.known == list(range(120, 140))


async def test_repeats_and_refused_records_are_learned_by_nobody(log: Log, url: str) -> None:
    async with replicas(log, url, 2) as (one, other):
        await append(log, [*range(100, 120), REFUSED])
        await append(log, range(100, 130))
        await one.up_to_date()
        await other.up_to_date()

        assert one.known == other.known == list(range(100, 130))


async def test_memory_goes_on_when_partitions_change_hands(log: Log, url: str) -> None:
    async with replicas(log, url, 2) as (one, other):
        await append(log, range(100, 150))
        await one.stop_consuming()
        await append(log, range(150, 200))
        await other.owns(log.partition_count(SPREAD.name))
        await append(log, range(200, 250))
        await one.up_to_date()
        await other.up_to_date()

        assert one.known == other.known == list(range(100, 250))
        assert one.projection.known == other.projection.known


async def test_records_for_which_there_is_no_room_are_read_again(log: Log, url: str) -> None:
    async with replicas(log, url, 2, bytes_kept=200) as (one, other):
        for start in range(100, 400, 50):
            await append(log, range(start, start + 50))
        await one.up_to_date()
        await other.up_to_date()

        assert one.known == other.known == list(range(100, 400))


async def test_records_that_cannot_be_decoded_are_passed_over_and_counted(
    log: Log, url: str
) -> None:
    async with replicas(log, url, 2) as (one, other):
        await log.append(SPREAD.name, [Outgoing(f"k{number}", b"?") for number in range(13)])
        await append(log, range(100, 120))
        await asyncio.gather(one.up_to_date(), other.up_to_date())

        assert one.known == other.known == list(range(100, 120))
        # Each has read those that the other one owns, and maybe its own first ones.
        counts = [reading.value for replica in (one, other) for reading in replica.topic.readings()]
        assert sum(int(str(count)) for count in counts) >= 13
