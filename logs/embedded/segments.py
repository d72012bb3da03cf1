"""The segment files in the log's folder: what they hold, where, and how a torn tail is repaired."""

import fcntl
import logging
import mmap
import os
import secrets
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
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
    decode_segment_header,
    encode_segment_header,
)
from logs.log import LogDamaged, LogMismatch

logger = logging.getLogger(__name__)

_CLOSED: Final = "closed"
_INDEX_EVERY_BYTES: Final = 32 * 1024
_PROBE_BYTES: Final = 64 * 1024


class FolderInUse(Exception):
    """Another process has this log's folder open."""


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


def note_closing(folder: Path, next_commit: int) -> None:
    """Leave word of where the log ended, so that the next start misses nothing of it."""
    (folder / _CLOSED).write_text(str(next_commit))


def _take_closing_note(folder: Path, last: Segment) -> None:
    """Compare the log with the word that was left. Raises `LogDamaged`."""
    note = folder / _CLOSED
    if not note.exists():
        return
    text = note.read_text()
    if text.isdecimal() and last.next_commit < int(text):
        raise LogDamaged(_damage(last))
    note.unlink()


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of the segment with this number."""
    return folder / f"{number:012d}.log"


def create_segment(folder: Path, header: SegmentHeader, now_ms: int) -> tuple[Segment, int]:
    """Make the file of a new segment, durably, and return it with its open file.

    It is whole or it is not there: whatever may fail for want of files or memory comes before it
    gets its name. Writes to the file that is returned are durable one by one.
    """
    header = msgspec.structs.replace(header, created_ms=now_ms)
    path = segment_path(folder, header.number)
    new = path.with_suffix(".new")
    data = encode_segment_header(header)
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        file = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_DSYNC, 0o600)
        try:
            write_all(file, data, 0)
            os.fsync(file)
            new.rename(path)
            _sync_names(names, path)
        except BaseException:
            os.close(file)
            raise
    finally:
        os.close(names)
    return Segment(path, header, len(data)), file


def _sync_names(names: int, path: Path) -> None:
    try:
        os.fsync(names)
    except OSError:
        # The older segment goes on: at the next start this one would not seem to follow it.
        path.unlink()
        raise


def write_all(descriptor: int, data: bytes, position: int) -> None:
    """Write all of `data` at this place of a file. Raises `OSError`, having written a part."""
    written = os.pwrite(descriptor, data, position)
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], position + written)


def probe_room(folder: Path) -> None:
    """Write some bytes beside the log, and delete them. Raises `OSError`."""
    path = folder / "probe.new"
    try:
        file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_DSYNC, 0o600)
        try:
            write_all(file, bytes(_PROBE_BYTES), 0)
        finally:
            os.close(file)
    finally:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable."""
    names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(names)
    finally:
        os.close(names)


def lock_folder(folder: Path) -> int:
    """Make the folder if need be and keep other processes out. Raises `FolderInUse`."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise FolderInUse(f"The log in {folder} is open in another process.") from error
    return descriptor


def recover(folder: Path, topics: Mapping[str, int], now_ms: int) -> list[Segment]:
    """Return the folder's segments, the last of them ready to be written.

    A torn tail of the last one is cut off. Raises `LogDamaged` and `LogMismatch`.
    """
    for leftover in folder.glob("*.new"):
        leftover.unlink()
    for index in folder.glob("*.index"):
        if not index.with_suffix(".log").exists():
            index.unlink()
    paths = sorted(folder.glob("*.log"))
    segments: list[Segment] = []
    for path in paths:
        _append_segment(segments, path, is_last=path == paths[-1])
    if segments:
        _take_closing_note(folder, segments[-1])
        _repair(segments[-1])
    else:
        header = SegmentHeader(secrets.token_hex(8), 0, 0, [])
        return [_create_closed(folder, _with_topics(header, topics), now_ms)]
    last = segments[-1]
    header = _with_topics(header_after(last), topics)
    if len(header.topics) != len(last.header.topics):
        segments.append(_create_closed(folder, header, now_ms))
    return segments


def _create_closed(folder: Path, header: SegmentHeader, now_ms: int) -> Segment:
    segment, file = create_segment(folder, header, now_ms)
    os.close(file)
    return segment


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


def _with_topics(header: SegmentHeader, topics: Mapping[str, int]) -> SegmentHeader:
    known = {topic.name: len(topic.next_offsets) for topic in header.topics}
    for name, count in topics.items():
        if known.get(name, count) != count:
            raise LogMismatch(
                f"The topic {name} was created with {known[name]} partitions and cannot have "
                f"{count}: the partition of a key may not change."
            )
    new = [TopicOffsets(name, [0] * count) for name, count in topics.items() if name not in known]
    return msgspec.structs.replace(header, topics=header.topics + new)


def _append_segment(segments: list[Segment], path: Path, *, is_last: bool) -> None:
    if path.stat().st_size == 0:
        raise LogDamaged(f"Segment {path.name} is empty. Restore the file from a backup.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header, start = decode_segment_header(data, path.name)
        segment = Segment(path, header, start)
        before = segments[-1] if segments else None
        if before is not None and header.number <= before.last_number:
            # What is left of it is in the file before: the process was killed as it was deleted.
            segment.delete()
            return
        if before is not None and (
            header.number != before.last_number + 1
            or header.generation != before.header.generation
            or header.first_commit != before.next_commit
            or any(segment.starts[lane] != end for lane, end in before.ends.items())
        ):
            raise LogDamaged(
                f"Segment {path.name} does not follow {before.path.name}: a file is missing or of "
                "another log. Put back the missing file, or restore the folder from a backup."
            )
        if is_last or not segment.load_index():
            with memoryview(data) as view:
                if header.remainder is None:
                    _scan(segment, data, view)
                else:
                    _scan_remainder(segment, view)
    if segment.size < path.stat().st_size and not is_last:
        raise LogDamaged(_damage(segment))
    segments.append(segment)


def _repair(last: Segment) -> None:
    """Cut off what was never acknowledged, and make sure of the rest."""
    size = last.path.stat().st_size
    if last.size < size:
        logger.warning(
            "cut off the torn tail of the log, which was never acknowledged",
            extra={"segment": last.path.name, "at": last.size, "size": size},
        )
        os.truncate(last.path, last.size)
    # After a kill the newest commits may be in the kernel's memory only.
    with last.path.open("rb") as file:
        os.fsync(file.fileno())


def _damage(segment: Segment) -> str:
    return (
        f"Segment {segment.path.name} is damaged at byte {segment.size}: acknowledged records "
        "were after it, so this is no interrupted write. Nothing was changed. Restore the file "
        "from a backup; or move the folder away, and run `xylem rebind`."
    )


def _scan(segment: Segment, data: mmap.mmap, view: memoryview) -> None:
    """Take in all whole commits. Raises `LogDamaged` if a later one follows a broken one."""
    codec = FrameCodec(segment.header.generation)
    while segment.size < len(view):
        commit = codec.read_commit(view, segment.size)
        frames = None
        if commit is not None and commit[0] == segment.next_commit and commit[1] <= len(view):
            frames = _whole_frames(codec, view, segment.size, commit[1])
        if commit is None or frames is None:
            if _has_later_commit(codec, segment, data, view):
                raise LogDamaged(_damage(segment))
            return
        for frame in frames:
            segment.take_in(frame, frame.position)
        segment.next_commit += 1
        segment.size = commit[1]


def _scan_remainder(segment: Segment, view: memoryview) -> None:
    """Take in all frames. Raises `LogDamaged` if one is not as it was written."""
    codec = FrameCodec(segment.header.generation)
    for frame in iterate_frames(codec, view, segment.start):
        if not codec.is_whole(view, frame):
            break
        segment.take_in(frame, frame.position)
        segment.size = frame.end
    segment.note_remainder()
    if segment.size != len(view):
        raise LogDamaged(_damage(segment))


def _whole_frames(
    codec: FrameCodec, view: memoryview, start: int, end: int
) -> list[FrameHead] | None:
    frames = list(iterate_frames(codec, view[:end], start))
    if all(codec.is_whole(view, frame) for frame in frames) and frames and frames[-1].end == end:
        return frames
    return None


def _has_later_commit(
    codec: FrameCodec, segment: Segment, data: mmap.mmap, view: memoryview
) -> bool:
    place = data.find(COMMIT_MAGIC, segment.size + 1)
    while place >= 0:
        commit = codec.read_commit(view, place)
        if commit is not None and commit[0] > segment.next_commit:
            return True
        place = data.find(COMMIT_MAGIC, place + 1)
    return False


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
