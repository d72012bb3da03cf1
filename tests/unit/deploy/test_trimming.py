"""What the log may drop: records that every reader is done with and that are old enough."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from math import ceil
from pathlib import Path

import pytest

from base.clock import ManualClock
from deploy.process.trimming import Trimmer
from logs.embedded import EmbeddedLog, EmbeddedLogSettings
from logs.log import Outgoing
from logs.retention import Retentions
from logs.topics import INPUT_ROOM_EVENT, OUTPUT_ROOM_EVENT, REJECTED, TOPICS

HOUR_MS = 3_600_000
TOPIC = INPUT_ROOM_EVENT


class PositionsOf:
    """A reader that has come to these offsets."""

    topic = TOPIC

    def __init__(self, positions: Mapping[int, int]) -> None:
        self.positions = positions
        self.asked = 0

    async def durable_positions(self) -> Mapping[int, int]:
        self.asked += 1
        return self.positions


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def log(tmp_path: Path, clock: ManualClock) -> AsyncIterator[EmbeddedLog]:
    log = await EmbeddedLog.open(
        tmp_path / "log", dict.fromkeys(TOPICS, 1), segment_bytes=4096, clock=clock
    )
    yield log
    await log.close()


async def fill(log: EmbeddedLog, records: int) -> None:
    for _ in range(records):
        await log.append(TOPIC.name, [Outgoing("!room:localhost", b"x" * 1000)])


async def first_offset(log: EmbeddedLog) -> int:
    return (await log.bounds(TOPIC.name))[0][0]


async def test_records_that_readers_are_done_with_and_that_are_old_are_dropped(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, 40)
    clock.advance_ms((TOPIC.retention_h + 1) * HOUR_MS)
    await fill(log, 20)

    await Trimmer(log, [PositionsOf({0: 60})], clock).trim(TOPIC)

    # Whole files of at most four records go.
    assert 36 <= await first_offset(log) <= 40


async def test_positions_are_made_durable_only_where_something_may_go(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, 40)
    reader = PositionsOf({0: 40})
    trimmer = Trimmer(log, [reader], clock)
    for _ in range(3):
        await trimmer.trim_all()
    while_young = reader.asked
    clock.advance_ms((TOPIC.retention_h + 1) * HOUR_MS)
    for _ in range(3):
        await trimmer.trim_all()

    assert (while_young, reader.asked) == (0, 1)
    assert await first_offset(log) >= 36


async def test_records_that_are_young_stay(log: EmbeddedLog, clock: ManualClock) -> None:
    await fill(log, 40)
    clock.advance_ms((TOPIC.retention_h - 1) * HOUR_MS)

    await Trimmer(log, [PositionsOf({0: 40})], clock).trim(TOPIC)

    assert await first_offset(log) == 0


async def test_records_that_the_slowest_reader_has_not_made_durable_stay(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, 40)
    clock.advance_ms((TOPIC.retention_h + 1) * HOUR_MS)
    readers = [PositionsOf({0: 40}), PositionsOf({0: 12})]

    await Trimmer(log, readers, clock).trim(TOPIC)

    assert 8 <= await first_offset(log) <= 12


async def test_a_reader_that_has_not_begun_keeps_everything(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, 40)
    clock.advance_ms((TOPIC.retention_h + 1) * HOUR_MS)

    await Trimmer(log, [PositionsOf({0: 40}), PositionsOf({})], clock).trim(TOPIC)

    assert await first_offset(log) == 0


async def test_trimming_goes_on_where_it_stopped_as_time_passes(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    trimmer = Trimmer(log, [PositionsOf({0: 1000})], clock)
    for _ in range(3):
        await fill(log, 20)
        clock.advance_ms((TOPIC.retention_h - 1) * HOUR_MS)
        await trimmer.trim(TOPIC)
    after_three = await first_offset(log)
    clock.advance_ms(2 * HOUR_MS)
    await trimmer.trim(TOPIC)

    assert 36 <= after_three <= 40
    assert await first_offset(log) > 50


async def test_a_topic_that_is_empty_can_be_trimmed(log: EmbeddedLog, clock: ManualClock) -> None:
    await Trimmer(log, [], clock).trim(OUTPUT_ROOM_EVENT)

    assert await log.bounds(OUTPUT_ROOM_EVENT.name) == {0: (0, 0)}


async def test_a_topic_over_its_size_drops_what_is_young(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, 100)
    trimmer = Trimmer(log, [PositionsOf({0: 100})], clock, Retentions({}, {TOPIC.name: 20_000}))

    await trimmer.trim(TOPIC)

    assert log.bytes_of(TOPIC.name) <= 24_096
    assert 76 <= await first_offset(log) <= 84
    assert [reading.value for reading in trimmer.readings()] == [0]


async def test_a_size_never_drops_what_a_reader_has_not_made_durable_and_it_is_counted(
    log: EmbeddedLog, clock: ManualClock
) -> None:
    await fill(log, 100)
    slow = PositionsOf({0: 12})
    trimmer = Trimmer(log, [slow], clock, Retentions({}, {TOPIC.name: 20_000}))

    await trimmer.trim(TOPIC)
    [held_up] = trimmer.readings()
    first = await first_offset(log)
    slow.positions = {0: 100}
    await trimmer.trim(TOPIC)
    [over] = trimmer.readings()

    assert 8 <= first <= 12
    assert held_up.value == pytest.approx(100_000 - 12_000 - 20_000, rel=0.2)
    assert (over.labels, over.value) == ((TOPIC.name,), 0)


async def test_a_record_that_was_rejected_holds_no_other_topic(
    log: EmbeddedLog, clock: ManualClock, tmp_path: Path
) -> None:
    await log.append(REJECTED.name, [Outgoing("", b"rejected")])
    trimmer = Trimmer(log, [PositionsOf({0: 1000})], clock)
    for _ in range(10):
        await fill(log, 20)
        clock.advance_ms(24 * HOUR_MS)
        await trimmer.trim_all()

    kept = sum(path.stat().st_size for path in sorted((tmp_path / "log").glob("*.log")))
    assert kept < 2 * 20 * 1100
    assert await log.bounds(REJECTED.name) == {0: (0, 1)}


@pytest.mark.parametrize("hours", [2, 24])
async def test_text_is_gone_from_the_folder_when_its_time_is_over_though_nobody_writes(
    tmp_path: Path, clock: ManualClock, hours: int
) -> None:
    texts = {name: f"secret text in {name}".encode() for name in TOPICS}
    folder = tmp_path / "quiet"
    log = await EmbeddedLog.open(folder, dict.fromkeys(TOPICS, 1), clock=clock)
    for name, text in texts.items():
        await log.append(name, [Outgoing("!room:localhost", text)])
    kept_h = {name: float(hours) for name in TOPICS if name != REJECTED.name}
    trimmer = Trimmer(log, [PositionsOf({0: 1})], clock, Retentions(kept_h))

    def found() -> set[str]:
        data = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
        return {name for name, text in texts.items() if text in data}

    assert found() == set(TOPICS)
    # What the guide says: the retention, the age of a file, and once more for the rest of it.
    age_h = EmbeddedLogSettings().segment_age_h
    async with asyncio.timeout(30):
        for _ in range(ceil(hours + 2 * age_h) + 1):
            clock.advance_ms(HOUR_MS)
            await trimmer.trim_all()
            await asyncio.sleep(0.005)

    assert found() == {REJECTED.name}
    await log.close()
