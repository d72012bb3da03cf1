"""A copy of an embedded log that is written to is a log that ended at some instant."""

import asyncio
from pathlib import Path

import pytest

from logs.embedded import Cut, EmbeddedLog, copy_log, cut_log
from logs.log import LogDamaged, Origin, Outgoing, Record

TOPICS = {"inputs": 1, "outputs": 2}
SEGMENT_BYTES = 65_536
LARGE = b"x" * (SEGMENT_BYTES // 2)


async def opened(folder: Path) -> EmbeddedLog:
    return await EmbeddedLog.open(folder, TOPICS, segment_bytes=SEGMENT_BYTES)


def nothing(_record: Record) -> bool:
    return False


def cut_at(number: int) -> Cut:
    """Return the cut before the record with this number, of those that have one."""

    def is_beyond(record: Record) -> bool:
        return record.origin is not None and record.origin.sequence >= number

    return Cut("outputs", {}, is_beyond)


async def made_copy(source: Path, target: Path, cut: Cut) -> EmbeddedLog:
    """Copy, cut, and open the copy."""
    await asyncio.to_thread(copy_log, source, target)
    await asyncio.to_thread(cut_log, target, TOPICS, cut, 0)
    return await opened(target)


async def test_a_copy_of_a_log_in_use_has_all_that_was_appended_and_knows_where_it_ended(
    tmp_path: Path,
) -> None:
    log = await opened(tmp_path / "log")
    for _ in range(6):
        await log.append("inputs", [Outgoing("a", LARGE)])

    copy = await made_copy(tmp_path / "log", tmp_path / "copy", Cut("outputs", {}, nothing))
    await log.append("inputs", [Outgoing("a", b"later")])

    assert copy.generation == log.generation
    assert await copy.bounds("inputs") == {0: (0, 6)}
    (run,) = [run for run in copy.runs if run.name == log.runs[-1].name]
    assert run.ends == {"inputs": [6], "outputs": [0, 0]}
    await copy.close()
    await log.close()


async def test_a_copy_is_cut_before_the_first_record_that_is_beyond(tmp_path: Path) -> None:
    log = await opened(tmp_path / "log")
    for number in range(4):
        await log.append("inputs", [Outgoing("a", LARGE)])
        await log.append("outputs", [Outgoing("a", b"", Origin("stream", number))])
    partition = log.partition_of("outputs", "a")

    copy = await made_copy(tmp_path / "log", tmp_path / "copy", cut_at(1))

    assert await copy.bounds("inputs") == {0: (0, 2)}
    assert (await copy.bounds("outputs"))[partition] == (0, 1)
    (run,) = [run for run in copy.runs if run.name == log.runs[-1].name]
    assert run.ends is not None
    assert run.ends["inputs"] == [2]
    assert await copy.append("inputs", [Outgoing("a", b"goes on")]) == [(0, 2)]
    await copy.close()
    await log.close()


async def test_a_copy_that_lacks_a_file_in_between_is_refused(tmp_path: Path) -> None:
    log = await opened(tmp_path / "log")
    for _ in range(6):
        await log.append("inputs", [Outgoing("a", LARGE)])
    copy_log(tmp_path / "log", tmp_path / "copy")
    files = sorted((tmp_path / "copy").glob("*.log"))
    files[1].unlink()

    with pytest.raises(LogDamaged):
        cut_log(tmp_path / "copy", TOPICS, Cut("outputs", {}, nothing), 0)

    await log.close()
