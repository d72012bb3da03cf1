"""What the log may drop: records that every reader is done with and that are old enough."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from base.clock import ManualClock
from deploy.trimming import Trimmer
from logs.embedded import EmbeddedLog
from logs.log import Outgoing
from logs.topics import INPUT_ROOM_EVENT, OUTPUT_ROOM_EVENT, TOPICS

HOUR_MS = 3_600_000
TOPIC = INPUT_ROOM_EVENT


class PositionsOf:
    """A reader that has come to these offsets."""

    topic = TOPIC

    def __init__(self, positions: Mapping[int, int]) -> None:
        self.positions = positions

    async def durable_positions(self) -> Mapping[int, int]:
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
