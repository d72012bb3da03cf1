"""The embedded log's files: what damage is repaired, what is reported, and what disks can do."""

import asyncio
import os
import random
import resource
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from base.clock import ManualClock
from logs.embedded import EmbeddedLog, FolderInUse
from logs.log import LogBroken, LogDamaged, LogMismatch, LogOutage, Outgoing
from tests.contract.logs.under_test import TOPICS, numbered, take, value_of


@asynccontextmanager
async def opened(
    folder: Path, topics: Mapping[str, int] = TOPICS, **sizes: Any
) -> AsyncIterator[EmbeddedLog]:
    """Open a log and close it."""
    log = await EmbeddedLog.open(folder, topics, **sizes)
    try:
        yield log
    finally:
        await log.close()


async def values_in(log: EmbeddedLog) -> list[int]:
    """Return all numbers that are kept."""
    first, end = (await log.bounds("Numbers"))[0]
    reader = await log.tail("Numbers", {0: first})
    values = [value_of(record) for record in await take(reader, end - first)]
    await reader.close()
    return values


def segments_in(folder: Path) -> list[Path]:
    """Return the log's files in order."""
    return sorted(folder.glob("*.log"))


async def fill(folder: Path, commits: int) -> list[int]:
    """Make a log of commits of two numbers; return the file's size after each."""
    path = folder / f"{0:012d}.log"
    async with opened(folder) as log:
        sizes = [path.stat().st_size]
        for commit in range(commits):
            await log.append("Numbers", numbered(2 * commit, 2 * commit + 1))
            sizes.append(path.stat().st_size)
    # As after a kill: nobody left word of where the log ended.
    (folder / "closed").unlink()
    return sizes


async def test_a_tail_torn_at_any_byte_is_cut_off_and_the_log_goes_on(tmp_path: Path) -> None:
    sizes = await fill(tmp_path / "whole", 3)
    for cut in range(sizes[0], sizes[-1]):
        folder = tmp_path / f"cut{cut}"
        shutil.copytree(tmp_path / "whole", folder)
        os.truncate(folder / f"{0:012d}.log", cut)
        whole = sum(size <= cut for size in sizes) - 1

        async with opened(folder) as log:
            assert await values_in(log) == list(range(2 * whole))
            await log.append("Numbers", numbered(99))
        async with opened(folder) as log:
            assert await values_in(log) == [*range(2 * whole), 99]
        shutil.rmtree(folder)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(min_size=1, max_size=300), st.integers(0, 200))
def test_rubbish_after_the_last_commit_is_cut_off(
    tmp_path: Path, rubbish: bytes, zeros: int
) -> None:
    async def story() -> None:
        folder = tmp_path / "log"
        shutil.rmtree(folder, ignore_errors=True)
        await fill(folder, 2)
        with (folder / f"{0:012d}.log").open("ab") as file:
            file.write(rubbish + bytes(zeros))

        async with opened(folder) as log:
            assert await values_in(log) == [0, 1, 2, 3]
            await log.append("Numbers", numbered(4))
            assert await values_in(log) == [0, 1, 2, 3, 4]

    asyncio.run(story())


async def test_a_byte_changed_before_intact_commits_is_reported_and_nothing_is_touched(
    tmp_path: Path,
) -> None:
    sizes = await fill(tmp_path / "whole", 3)
    path = tmp_path / "whole" / f"{0:012d}.log"
    intact = path.read_bytes()
    chance = random.Random(3)
    for place in chance.sample(range(sizes[0], sizes[2]), 60):
        damaged = bytearray(intact)
        damaged[place] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)

        with pytest.raises(LogDamaged, match="backup"):
            await EmbeddedLog.open(tmp_path / "whole", TOPICS)

        assert path.read_bytes() == damaged


async def test_what_is_missing_after_an_orderly_end_is_reported(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append("Numbers", numbered(1))
        await log.append("Numbers", numbered(2))
    path = tmp_path / f"{0:012d}.log"
    os.truncate(path, path.stat().st_size - 1)

    with pytest.raises(LogDamaged):
        await EmbeddedLog.open(tmp_path, TOPICS)


async def test_a_damaged_header_is_reported(tmp_path: Path) -> None:
    await fill(tmp_path, 1)
    path = tmp_path / f"{0:012d}.log"
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)

    with pytest.raises(LogDamaged):
        await EmbeddedLog.open(tmp_path, TOPICS)


async def test_a_missing_file_in_the_middle_is_reported(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=500) as log:
        for value in range(30):
            await log.append("Numbers", numbered(value))
    files = segments_in(tmp_path)
    assert len(files) > 3
    files[1].unlink()

    with pytest.raises(LogDamaged, match="missing"):
        await EmbeddedLog.open(tmp_path, TOPICS)


async def test_damage_in_an_old_file_is_reported_when_it_is_read(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=500) as log:
        for value in range(30):
            await log.append("Numbers", numbered(value))
    oldest = segments_in(tmp_path)[0]
    data = bytearray(oldest.read_bytes())
    data[-1] ^= 1
    oldest.write_bytes(data)

    async with opened(tmp_path) as log:
        reader = await log.tail("Numbers", {0: 0})
        with pytest.raises(LogDamaged):
            await take(reader, 30)


@pytest.mark.parametrize("spoil", ["remove", "damage", "keep"])
async def test_old_files_are_read_with_and_without_their_index(tmp_path: Path, spoil: str) -> None:
    async with opened(tmp_path, segment_bytes=3000, tail_bytes=0) as log:
        for value in range(300):
            await log.append("Numbers", numbered(value))
            await log.append("Spread", numbered(value, key=f"k{value}"))
        assert await values_in(log) == list(range(300))
    indexes = [path.with_suffix(".index") for path in segments_in(tmp_path)[:-1]]
    assert len(indexes) > 3
    for index in indexes:
        if spoil == "remove":
            index.unlink()
        elif spoil == "damage":
            index.write_bytes(index.read_bytes()[:-1] + b"?")

    async with opened(tmp_path, tail_bytes=0) as log:
        assert await values_in(log) == list(range(300))
        reader = await log.tail("Spread", dict.fromkeys(range(4), 0))
        assert sorted(value_of(record) for record in await take(reader, 300)) == list(range(300))


async def test_trimming_removes_the_files_that_nobody_needs(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=1000) as log:
        for value in range(100):
            await log.append("Numbers", numbered(value))
            await log.append("Derived", numbered(value))
        files = len(segments_in(tmp_path))

        await log.trim("Numbers", {0: 100})
        assert len(segments_in(tmp_path)) == files
        derived = log.partition_of("Derived", "alice")
        await log.trim("Derived", {derived: 50})

        kept = len(segments_in(tmp_path))
        assert 1 < kept < files
        first = (await log.bounds("Derived"))[derived][0]
        assert 0 < first <= 50
    async with opened(tmp_path) as log:
        assert (await log.bounds("Derived"))[derived] == (first, 100)


async def test_a_file_that_has_grown_old_is_ended_however_small_it_is(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, segment_age_h=24, clock=clock) as log:
        await log.append("Numbers", numbered(1))
        clock.advance_ms(23 * 3_600_000)
        await log.append("Numbers", numbered(2))
        assert len(segments_in(tmp_path)) == 1
        clock.advance_ms(2 * 3_600_000)
        await log.append("Numbers", numbered(3))
        assert len(segments_in(tmp_path)) == 2

        await log.trim("Numbers", {0: 3})

        assert await log.bounds("Numbers") == {0: (2, 3)}


async def test_a_second_opening_of_the_folder_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(FolderInUse):
            await EmbeddedLog.open(tmp_path, TOPICS)
    async with opened(tmp_path):
        pass


async def test_a_topic_cannot_change_its_number_of_partitions(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass

    with pytest.raises(LogMismatch):
        await EmbeddedLog.open(tmp_path, {**TOPICS, "Numbers": 2})


async def test_topics_can_be_added_and_left_out(tmp_path: Path) -> None:
    async with opened(tmp_path, {"Numbers": 1}) as log:
        await log.append("Numbers", numbered(1))
        generation = log.generation
    async with opened(tmp_path, {"New": 2}, segment_bytes=400) as log:
        for value in range(20):
            await log.append("New", numbered(value))

    async with opened(tmp_path, {"Numbers": 1, "New": 2}) as log:
        assert log.generation == generation
        assert await values_in(log) == [1]
        assert (await log.bounds("New"))[log.partition_of("New", "alice")] == (0, 20)


async def test_every_log_has_a_generation_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "one") as one, opened(tmp_path / "other") as other:
        assert one.generation != other.generation


async def test_the_runs_of_a_log_are_known_with_where_they_ended(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append("Numbers", numbered(1, 2))
        [_, first] = log.runs
        assert first.ends is None
    shutil.copytree(tmp_path, tmp_path / "backup")
    async with opened(tmp_path) as log:
        await log.append("Numbers", numbered(3))
        [_, ended, second] = log.runs
        assert (ended.name, second.ends) == (first.name, None)
        assert ended.ends is not None
        assert ended.ends["Numbers"] == [2]
        assert ended.ends["Spread"] == [0] * 4

    async with opened(tmp_path / "backup") as log:
        names = [run.name for run in log.runs]
    assert first.name in names
    assert second.name not in names


async def test_runs_of_a_log_that_cannot_be_read_are_no_reason_to_refuse_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append("Numbers", numbered(1))
    (tmp_path / "runs").write_bytes(b"\0")

    async with opened(tmp_path) as log:
        assert await values_in(log) == [1]
        assert [run.ends for run in log.runs] == [None]


async def test_appends_wait_their_turn_when_much_is_queued(tmp_path: Path) -> None:
    async with opened(tmp_path, max_queued_bytes=300) as log:
        async with asyncio.TaskGroup() as tasks:
            for value in range(200):
                tasks.create_task(log.append("Numbers", numbered(value)))

        assert await values_in(log) == list(range(200))


async def test_an_append_that_was_given_up_does_not_block_those_behind_it(tmp_path: Path) -> None:
    async with opened(tmp_path, max_queued_bytes=300) as log:
        calls = [asyncio.create_task(log.append("Numbers", numbered(value))) for value in range(50)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)

        answered = [value for value, answer in enumerate(done) if isinstance(answer, list)]
        kept = await values_in(log)
        assert set(answered) <= set(kept)
        assert kept == sorted(kept)
        assert len(answered) >= 25


async def test_after_a_failure_that_cannot_be_undone_the_log_refuses_until_it_is_opened_again(
    tmp_path: Path,
) -> None:
    log = await EmbeddedLog.open(tmp_path, TOPICS)
    await log.append("Numbers", numbered(1))
    # A disk that takes nothing more, and of which nothing can be cut off.
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._writer._file)
    os.close(full)

    for _ in range(2):
        with pytest.raises(LogOutage):
            await log.append("Numbers", numbered(2))
    with pytest.raises(LogBroken):
        await log.watch()
    assert await values_in(log) == [1]
    await log.close()

    async with opened(tmp_path) as again:
        assert await values_in(again) == [1]
        await again.append("Numbers", numbered(3))
        assert await values_in(again) == [1, 3]


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no file further than this meanwhile, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_until_there_is_room_though_nobody_writes(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as log:
        await log.append("Numbers", numbered(1))
        with files_of_at_most((tmp_path / f"{0:012d}.log").stat().st_size + 10):
            await log.check()
            with pytest.raises(LogOutage):
                await log.append("Numbers", numbered(2))
            with pytest.raises(LogOutage):
                await log.check()
        await log.check()
        await log.append("Numbers", numbered(3))
        assert await values_in(log) == [1, 3]


async def test_a_log_that_cannot_open_files_goes_on_in_the_one_that_it_has(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=500) as log:
        await log.append("Numbers", numbered(0))
        with no_more_files():
            for value in range(1, 30):
                await log.append("Numbers", numbered(value))
        assert len(segments_in(tmp_path)) == 1
        await log.append("Numbers", numbered(30))
        assert len(segments_in(tmp_path)) == 2
        assert await values_in(log) == list(range(31))
    async with opened(tmp_path) as again:
        assert await values_in(again) == list(range(31))


async def test_a_closed_log_takes_and_gives_nothing(tmp_path: Path) -> None:
    log = await EmbeddedLog.open(tmp_path, TOPICS)
    reader = await log.tail("Numbers")
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)

    await log.close()
    await log.close()

    with pytest.raises(LogOutage):
        await reading
    with pytest.raises(LogOutage):
        await log.append("Numbers", [Outgoing("k", b"v")])
    with pytest.raises(LogOutage):
        await log.bounds("Numbers")


async def test_closing_makes_durable_what_was_accepted(tmp_path: Path) -> None:
    log = await EmbeddedLog.open(tmp_path, TOPICS, max_queued_bytes=200)
    calls = [asyncio.create_task(log.append("Numbers", numbered(value))) for value in range(50)]
    await asyncio.sleep(0)

    await log.close()

    await asyncio.gather(*calls)
    async with opened(tmp_path) as again:
        assert await values_in(again) == list(range(50))
