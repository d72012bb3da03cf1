"""Trimmed records give their room back, also where others lie around them, and none is moved."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from base.clock import ManualClock
from logs.embedded import EmbeddedLog
from logs.log import LogDamaged, RecordsLost
from tests.contract.logs.under_test import TOPICS, numbered, take, value_of

HOUR_MS = 3_600_000
Kept = Mapping[str, tuple[dict[int, tuple[int, int]], list[tuple[int, int, int]]]]


@asynccontextmanager
async def opened(folder: Path, clock: ManualClock | None = None) -> AsyncIterator[EmbeddedLog]:
    """Open a log with small files, of which no record is in memory."""
    log = await EmbeddedLog.open(
        folder, TOPICS, segment_bytes=2000, tail_bytes=0, clock=clock or ManualClock()
    )
    try:
        yield log
    finally:
        await log.close()


async def kept(log: EmbeddedLog) -> Kept:
    """Return all that a log has: bounds, and partition, offset and number of each record."""
    found = {}
    for topic in TOPICS:
        bounds = dict(await log.bounds(topic))
        tail = await log.tail(topic, {number: first for number, (first, _) in bounds.items()})
        records = await take(tail, sum(end - first for first, end in bounds.values()))
        await tail.close()
        places = sorted((one.partition, one.offset, value_of(one)) for one in records)
        found[topic] = (bounds, places)
    return found


async def fill(log: EmbeddedLog, count: int) -> None:
    """Append to two topics alternately, and seldom to a third."""
    for value in range(count):
        await log.append("Numbers", numbered(value))
        await log.append("Spread", numbered(value, key=f"k{value}"))
        if value % 20 == 0:
            await log.append("Derived", numbered(value))


async def trim_all(log: EmbeddedLog, topic: str) -> None:
    await log.trim(topic, {number: end for number, (_, end) in (await log.bounds(topic)).items()})


def files_in(folder: Path, kind: str = "log") -> list[Path]:
    return sorted(folder.glob(f"*.{kind}"))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_in(folder))


async def test_a_record_that_must_stay_holds_no_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append("Derived", numbered(1))
        await fill(log, 200)
        derived = (await kept(log))["Derived"]
        before = size_of(tmp_path)

        await trim_all(log, "Numbers")
        await trim_all(log, "Spread")
        assert size_of(tmp_path) == before
        await log.compact()

        assert size_of(tmp_path) < before / 10
        assert (await kept(log))["Derived"] == derived
        assert files_in(tmp_path, "new") == []
        after = await kept(log)
    async with opened(tmp_path) as log:
        assert await kept(log) == after
        await fill(log, 3)
        assert (await log.bounds("Numbers"))[0][1] == 203


async def test_few_files_are_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        for _ in range(5):
            await fill(log, 100)
            await trim_all(log, "Numbers")
            await trim_all(log, "Spread")
            await log.compact()

        assert len(files_in(tmp_path)) <= 3


async def test_what_was_dropped_cannot_be_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await fill(log, 100)
        await log.trim("Numbers", {0: 60})
        await log.compact()

        first, end = (await log.bounds("Numbers"))[0]
        assert 30 <= first <= 60
        tail = await log.tail("Numbers", {0: first - 1})
        with pytest.raises(RecordsLost):
            await tail.read()
        tail = await log.tail("Numbers", {0: first})
        assert [value_of(one) for one in await take(tail, end - first)] == list(range(first, end))


async def test_a_little_that_is_superfluous_waits_until_the_file_is_old(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, clock) as log:
        await log.append("Derived", numbered(1))
        for value in range(50):
            await log.append("Numbers", numbered(value))
        await trim_all(log, "Derived")
        await log.trim("Derived", {0: 1, 1: 1, 2: 1, 3: 1})
        before = size_of(tmp_path)
        await log.compact()
        assert size_of(tmp_path) == before

        clock.advance_ms(25 * HOUR_MS)
        await log.compact()

        assert size_of(tmp_path) < before


async def test_a_file_ends_when_it_is_old_though_nobody_writes(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, clock) as log:
        await log.append("Numbers", numbered(1234567))
        await trim_all(log, "Numbers")
        clock.advance_ms(25 * HOUR_MS)
        async with asyncio.timeout(30):
            while [path.name for path in files_in(tmp_path)] != [f"{1:012d}.log"]:
                await log.compact()
                await trim_all(log, "Numbers")
                await asyncio.sleep(0.01)

        assert await log.bounds("Numbers") == {0: (1, 1)}
        [position] = await log.append("Numbers", numbered(2))
        assert position.offset == 1


async def test_readers_go_on_while_files_are_written_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await fill(log, 300)
        bounds = await log.bounds("Spread")
        tail = await log.tail("Spread", dict.fromkeys(bounds, 0))
        reading = asyncio.create_task(take(tail, 300))
        for _ in range(3):
            await trim_all(log, "Numbers")
            await log.compact()

        assert sorted(value_of(one) for one in await reading) == list(range(300))


async def test_whenever_it_is_killed_all_that_is_needed_is_there_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "log") as log:
        await fill(log, 60)
        await trim_all(log, "Numbers")
        shutil.copytree(tmp_path / "log", tmp_path / "before")
        await log.compact()
        # Once more, so that what is left is written together with its neighbours.
        await fill(log, 60)
        await trim_all(log, "Numbers")
        await log.trim("Spread", dict.fromkeys(range(4), 10))
        shutil.copytree(tmp_path / "log", tmp_path / "between")
        await log.compact()
    shutil.copytree(tmp_path / "log", tmp_path / "after")
    states = 0
    for old, new in (("before", "between"), ("between", "after")):
        async with opened(tmp_path / old) as log:
            expected = {topic: found[1] for topic, found in (await kept(log)).items()}
        changed = [
            path.name
            for path in sorted((tmp_path / old).glob("*.log"))
            if _content(tmp_path / new / path.name) not in {None, path.read_bytes()}
        ]
        for name in changed:
            whole = _content(tmp_path / new / name) or b""
            for length in (0, 7, len(whole) // 2, len(whole) - 1, len(whole)):
                folder = tmp_path / f"state{states}"
                states += 1
                shutil.copytree(tmp_path / old, folder)
                (folder / name).with_suffix(".new").write_bytes(whole[:length])
                if length == len(whole):
                    (folder / name).with_suffix(".new").rename(folder / name)
                async with opened(folder) as log:
                    found = await kept(log)
                for topic in ("Spread", "Derived"):
                    missing = set(expected[topic]) - set(found[topic][1])
                    assert all(offset < 10 for _, offset, _ in missing)
                    assert len(found[topic][1]) == len(set(found[topic][1]))
                shutil.rmtree(folder)
    assert states >= 10


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


async def test_what_a_file_was_made_superfluous_by_is_deleted_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "log") as log:
        await fill(log, 40)
        await trim_all(log, "Numbers")
        shutil.copytree(tmp_path / "log", tmp_path / "before")
        await trim_all(log, "Spread")
        await log.compact()
        after = await kept(log)
    names = {path.name for path in (tmp_path / "log").glob("*.log")}
    superfluous = [one for one in (tmp_path / "before").glob("*.log") if one.name not in names]
    assert superfluous
    for path in superfluous:
        shutil.copy(path, tmp_path / "log" / path.name)

    async with opened(tmp_path / "log") as log:
        assert await kept(log) == after
    assert {path.name for path in (tmp_path / "log").glob("*.log")} == names


async def test_damage_in_what_is_left_is_reported(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await fill(log, 60)
        await trim_all(log, "Numbers")
        await log.compact()
    path = files_in(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for index in files_in(tmp_path, "index"):
        index.unlink()

    with pytest.raises(LogDamaged):
        await EmbeddedLog.open(tmp_path, TOPICS)


_STEP = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(sorted(TOPICS)), st.integers(1, 12)),
    st.tuples(st.just("trim"), st.sampled_from(sorted(TOPICS)), st.integers(0, 100)),
    st.tuples(st.just("compact"), st.just(""), st.integers(0, 30)),
    st.tuples(st.just("open again"), st.just(""), st.just(0)),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_STEP, max_size=40))
def test_whatever_is_trimmed_the_rest_stays_where_it_is(
    tmp_path: Path, steps: list[tuple[str, str, int]]
) -> None:
    async def story() -> None:
        shutil.rmtree(tmp_path / "log", ignore_errors=True)
        clock = ManualClock()
        appended: dict[tuple[str, int, int], int] = {}
        allowed: dict[tuple[str, int], int] = {}
        value = 0
        log = await EmbeddedLog.open(tmp_path / "log", TOPICS, segment_bytes=400, clock=clock)
        for kind, topic, number in steps:
            if kind == "append":
                for _ in range(number):
                    value += 1
                    [place] = await log.append(topic, numbered(value, key=f"k{value % 7}"))
                    appended[topic, place.partition, place.offset] = value
            elif kind == "trim":
                before = {
                    one: end * number // 100 for one, (_, end) in (await log.bounds(topic)).items()
                }
                await log.trim(topic, before)
                for partition, offset in before.items():
                    known = allowed.get((topic, partition), 0)
                    allowed[topic, partition] = max(known, offset)
            elif kind == "compact":
                clock.advance_ms(number * HOUR_MS)
                await log.compact()
            else:
                await log.close()
                log = await EmbeddedLog.open(tmp_path / "log", TOPICS, tail_bytes=0, clock=clock)
            found = await kept(log)
            for name, (bounds, places) in found.items():
                for partition, (first, _) in bounds.items():
                    assert first <= allowed.get((name, partition), 0)
                expected = sorted(
                    (partition, offset, one)
                    for (of, partition, offset), one in appended.items()
                    if of == name and offset >= bounds[partition][0]
                )
                assert places == expected
        await log.close()

    asyncio.run(story())
