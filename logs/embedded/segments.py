"""The segment files of the log: what they hold, and where."""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from logs.embedded.frames import (
    COMMIT_BYTES,
    COMMIT_MAGIC,
    FRAME_BYTES,
    FrameCodec,
    FrameHead,
    Lane,
    SegmentHeader,
    TopicOffsets,
)

logger = logging.getLogger(__name__)

_INDEX_EVERY_BYTES: Final = 32 * 1024


class _StoredIndex(msgspec.Struct, frozen=True):
    size: int
    next_commit: int
    ends: list[tuple[Lane, int]]
    sizes: list[tuple[Lane, int]]
    index: list[tuple[Lane, list[int], list[int]]]


class Segment:
    """One file of the log, with a sparse index of its frames per topic and partition."""

    def __init__(self, path: Path, header: SegmentHeader, start: int) -> None:
        self.path: Final = path
        self.header: Final = header
        self.start: Final = start
        """Where the commits or frames begin."""
        self.size = start
        self.next_commit = header.first_commit
        self.last_number: Final = (
            header.number if header.remainder is None else header.remainder.last_number
        )
        self.starts: Final[dict[Lane, int]] = {
            (topic, partition): offset
            for topic, offsets in enumerate(header.topics)
            for partition, offset in enumerate(offsets.next_offsets)
        }
        self.ends: Final = dict(self.starts)
        self.sizes: Final[dict[Lane, int]] = {}
        """Bytes of the frames per topic and partition."""
        self._index: dict[Lane, tuple[list[int], list[int]]] = {}

    def note_frame(self, lane: Lane, offset: int, count: int, position: int, size: int) -> None:
        """Remember a frame that has become durable."""
        self.ends[lane] = offset + count
        self.sizes[lane] = self.sizes.get(lane, 0) + size
        entry = self._index.get(lane)
        if entry is None:
            self._index[lane] = ([offset], [position])
        elif position - entry[1][-1] >= _INDEX_EVERY_BYTES:
            entry[0].append(offset)
            entry[1].append(position)

    def take_in(self, frame: FrameHead, position: int) -> None:
        """Remember a frame that is at this place of the file."""
        lane = frame.topic, frame.partition
        size = frame.end - frame.position
        self.note_frame(lane, frame.offset, frame.number, position, size)

    def find(self, lane: Lane, offset: int) -> int | None:
        """Return where to begin to look for this record, or `None` if it is not in this file."""
        if not self.first_of(lane) <= offset < self.ends.get(lane, 0):
            return None
        offsets, positions = self._index[lane]
        return positions[bisect_right(offsets, offset) - 1]

    def first_of(self, lane: Lane) -> int:
        """Return the first offset that this file has, or where the next one goes on."""
        entry = self._index.get(lane)
        return self.ends.get(lane, 0) if entry is None else entry[0][0]

    def note_remainder(self) -> None:
        """Take over from the header what the frames that are left cannot tell."""
        remainder = self.header.remainder
        if remainder is None:
            return
        self.next_commit = remainder.next_commit
        for topic, offsets in enumerate(remainder.next_offsets):
            for partition, offset in enumerate(offsets):
                self.ends[topic, partition] = offset

    def save_index(self) -> None:
        """Write the index beside a complete file, so that the next start need not scan it."""
        stored = _StoredIndex(
            size=self.size,
            next_commit=self.next_commit,
            ends=list(self.ends.items()),
            sizes=list(self.sizes.items()),
            index=[(lane, *entry) for lane, entry in self._index.items()],
        )
        data = msgspec.msgpack.encode(stored)
        new = self.path.with_suffix(".index.new")
        try:
            new.write_bytes(crc32(data).to_bytes(4, "little") + data)
            new.rename(self.path.with_suffix(".index"))
        except OSError:
            logger.warning("the index of a segment could not be saved", exc_info=True)

    def load_index(self) -> bool:
        """Take over a saved index; tell whether there was one that fits the file."""
        try:
            data = self.path.with_suffix(".index").read_bytes()
            if crc32(data[4:]) != int.from_bytes(data[:4], "little"):
                return False
            stored = msgspec.msgpack.decode(data[4:], type=_StoredIndex)
        except (FileNotFoundError, msgspec.DecodeError):
            return False
        if stored.size != self.path.stat().st_size:
            return False
        self.size, self.next_commit = stored.size, stored.next_commit
        self.ends.update(stored.ends)
        self.sizes.update(stored.sizes)
        self._index = {lane: (offsets, places) for lane, offsets, places in stored.index}
        return True

    def delete(self) -> None:
        """Remove the file and its index."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".index").unlink(missing_ok=True)


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of the segment with this number."""
    return folder / f"{number:012d}.log"


def first_kept(segments: Sequence[Segment], lane: Lane) -> int:
    """Return the first offset of a partition that is kept."""
    first = segments[0].first_of(lane)
    for segment in segments[1:]:
        # Where a file lacks some, all files before it have none.
        if segment.first_of(lane) > segment.starts.get(lane, 0):
            first = segment.first_of(lane)
    return first


def header_after(segment: Segment) -> SegmentHeader:
    """Return the header of the segment that would follow."""
    old = segment.header
    topics = [
        TopicOffsets(
            topic.name, [segment.ends[number, place] for place in range(len(topic.next_offsets))]
        )
        for number, topic in enumerate(old.topics)
    ]
    return SegmentHeader(old.generation, old.number + 1, segment.next_commit, topics)


def iterate_frames(
    codec: FrameCodec, data: bytes | memoryview, position: int, base: int = 0
) -> Iterator[FrameHead]:
    """Yield the frames from this place on, unchecked, up to the last that is wholly in `data`.

    `data` begins at `base` in the file. A frame that seems to reach past the end ends it.
    """
    end = base + len(data)
    while position < end:
        if bytes(data[position - base : position - base + 4]) == COMMIT_MAGIC:
            position += COMMIT_BYTES
            continue
        if position + FRAME_BYTES > end:
            return
        frame = codec.read_frame(data, position, base)
        if frame.end > end:
            return
        yield frame
        position = frame.end
