"""Copies the folder of an embedded log that may be written to meanwhile."""

import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from logs.embedded.frames import FrameCodec, FrameHead, Lane
from logs.embedded.recovery import recover
from logs.embedded.segments import Segment, iterate_frames
from logs.log import Record, RecordsLost

_BEFORE_SEGMENTS: Final = ("closed", "runs")
"""Files that speak of the log's end. They are copied first, so that they never say more than the
segments have."""
_CHUNK_BYTES: Final = 1024 * 1024


def copy_log(source: Path, target: Path) -> None:
    """Copy the files as they are now to a new folder, for its owner alone.

    The last one may end with a torn write, and files that are dropped or replaced meanwhile may be
    missing: `cut_log` mends the one, and notices the other unless they are the oldest. Blocks.
    """
    target.mkdir(mode=0o700)
    for name in _BEFORE_SEGMENTS:
        _copy_if_there(source / name, target / name)
    # The newest first: what is appended later is of no use, and files that are full stay.
    for path in sorted(source.glob("*.log"), reverse=True):
        _copy_if_there(path, target / path.name)


def _copy_if_there(source: Path, target: Path) -> None:
    try:
        origin = source.open("rb")
    except FileNotFoundError:
        return
    target.touch(mode=0o600, exist_ok=False)
    with origin, target.open("wb") as copy:
        shutil.copyfileobj(origin, copy, _CHUNK_BYTES)


class Cut(NamedTuple):
    """Where a copy is cut: before the first record of a topic that is beyond."""

    topic: str
    start: Mapping[int, int]
    """By partition an offset below which no record is beyond; 0 where it is not given."""
    is_beyond: Callable[[Record], bool]


def cut_log(folder: Path, topics: Mapping[str, int], cut: Cut, now_ms: int) -> None:
    """Mend the torn end of a copy, and drop all that was appended from a record on.

    `topics` gives partition counts. Raises `LogDamaged` where a file is missing, and
    `RecordsLost` where the place is in one that was written again. Blocks.
    """
    segments = recover(folder, topics, now_ms)
    last = segments[-1]
    numbers = {topic.name: number for number, topic in enumerate(last.header.topics)}
    starts = {
        (numbers[cut.topic], place): cut.start.get(place, 0) for place in range(topics[cut.topic])
    }
    codec = FrameCodec(last.header.generation)
    for number, segment in enumerate(segments):
        if all(segment.ends.get(lane, 0) <= start for lane, start in starts.items()):
            continue
        place = _first_beyond(codec, segment, starts, cut.is_beyond)
        if place is not None:
            if segment.header.remainder is not None:
                raise RecordsLost(f"{segment.path.name} was written again as it was copied.")
            _cut_at(segments[number:], place)
            return


def _first_beyond(
    codec: FrameCodec,
    segment: Segment,
    starts: Mapping[Lane, int],
    is_beyond: Callable[[Record], bool],
) -> int | None:
    """Return where the commit begins in which the first record is beyond."""
    with (
        segment.path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        for place, frame in _frames(codec, segment, view):
            start = starts.get((frame.topic, frame.partition))
            if start is None or frame.offset + frame.number <= start:
                continue
            records = codec.decode_records(view, frame)
            if any(record.offset >= start and is_beyond(record) for record in records):
                return place
    return None


def _frames(
    codec: FrameCodec, segment: Segment, view: memoryview
) -> Iterator[tuple[int, FrameHead]]:
    """Yield the frames of a whole segment, with the place of the commit that each is in."""
    place = segment.start
    while place < segment.size:
        commit = codec.read_commit(view, place)
        # What is left of a file that was written again has no commits.
        end = segment.size if commit is None else commit[1]
        for frame in iterate_frames(codec, view[place:end], place, place):
            yield place, frame
        place = end


def _cut_at(segments: Sequence[Segment], place: int) -> None:
    for segment in segments[1:]:
        segment.delete()
    os.truncate(segments[0].path, place)
