"""Gives back the room of records that nobody needs, in files that hold others that are needed.

A file is written again with the frames that are left, under its old name, and stands for the files
beside it too whose rest fits in. Records keep their offsets. Whenever the process is killed, either
the old files are there or the new one, and what it makes superfluous is deleted at the next start.
"""

import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from base.durable_folder import sync_folder
from logs.embedded.folder import write_all
from logs.embedded.frames import (
    FrameCodec,
    Lane,
    Remainder,
    SegmentHeader,
    TopicOffsets,
    encode_segment_header,
)
from logs.embedded.segments import Segment, iterate_frames
from logs.log import LogDamaged

_SMALL_BYTES: Final = 1024 * 1024
"""A remainder up to this size is written again with its neighbour, so that few files are left."""
_WORTH_A_FOURTH: Final = 4


class Compaction:
    """Decides which of a log's complete files are written again."""

    def __init__(self, trim_points: Mapping[Lane, int], now_ms: int, age_ms: int) -> None:
        """Take the offsets below which records may go.

        `age_ms` is how long after its end a file may still have a little that is superfluous.
        """
        self._trim_points = trim_points
        self._ended_before_ms = now_ms - age_ms

    def run_at(self, segments: Sequence[Segment], place: int) -> Sequence[Segment]:
        """Return the files to write as one, of which the one at this place is the last.

        Empty if it is to stay; the last of all, which is written to, always stays.
        """
        segment, following = segments[place], segments[place + 1]
        superfluous = self._superfluous_bytes(segment)
        is_old = following.header.created_ms <= self._ended_before_ms
        is_worth_it = superfluous * _WORTH_A_FOURTH >= segment.size
        if not superfluous or not (is_worth_it or is_old):
            return ()
        before = segments[place - 1] if place else None
        if before is None or before.header.remainder is None or before.size > _SMALL_BYTES:
            return (segment,)
        return (before, segment)

    def _superfluous_bytes(self, segment: Segment) -> int:
        return sum(
            size
            for lane, size in segment.sizes.items()
            if segment.ends[lane] <= self._trim_points.get(lane, 0)
        )


def write_remainder(
    codec: FrameCodec, run: Sequence[Segment], trim_points: Mapping[Lane, int]
) -> Segment:
    """Write what is left of these files beside them, durably, for `take_place`.

    Raises `OSError`, and `LogDamaged` where a frame is not as it was written.
    """
    first = run[0]
    header = _header(run)
    data = encode_segment_header(header)
    segment = Segment(first.path, header, len(data))
    file = os.open(_beside(segment), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        write_all(file, data, 0)
        for old in run:
            _copy(codec, old, segment, file, trim_points)
        os.fsync(file)
    finally:
        os.close(file)
    segment.note_remainder()
    return segment


def take_place(segment: Segment) -> None:
    """Let what was written be the file of this name: from now on it stands for the others."""
    segment.path.with_suffix(".index").unlink(missing_ok=True)
    _beside(segment).rename(segment.path)


def drop_superfluous(segment: Segment, run: Sequence[Segment]) -> None:
    """Delete the files that it stands for, once nothing can bring back the former one."""
    sync_folder(segment.path.parent)
    for old in run[1:]:
        old.delete()


def discard(segment: Segment) -> None:
    """Delete what was written, which has not taken its place."""
    _beside(segment).unlink(missing_ok=True)


def _beside(segment: Segment) -> Path:
    return segment.path.with_suffix(".new")


def _header(run: Sequence[Segment]) -> SegmentHeader:
    first, last = run[0], run[-1]
    topics = [
        TopicOffsets(
            topic.name,
            [first.starts.get((number, place), 0) for place in range(len(topic.next_offsets))],
        )
        for number, topic in enumerate(last.header.topics)
    ]
    ends = [
        [last.ends[number, place] for place in range(len(topic.next_offsets))]
        for number, topic in enumerate(topics)
    ]
    return SegmentHeader(
        generation=first.header.generation,
        number=first.header.number,
        first_commit=first.header.first_commit,
        topics=topics,
        created_ms=first.header.created_ms,
        remainder=Remainder(last.last_number, last.next_commit, ends),
    )


def _copy(
    codec: FrameCodec,
    old: Segment,
    segment: Segment,
    file: int,
    trim_points: Mapping[Lane, int],
) -> None:
    with (
        old.path.open("rb") as source,
        mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        for frame in iterate_frames(codec, view[: old.size], old.start):
            if frame.offset + frame.number <= trim_points.get((frame.topic, frame.partition), 0):
                continue
            if not codec.is_whole(view, frame):
                raise LogDamaged(f"The frame at byte {frame.position} of {old.path} is damaged.")
            write_all(file, bytes(view[frame.position : frame.end]), segment.size)
            segment.take_in(frame, segment.size)
            segment.size += frame.end - frame.position
