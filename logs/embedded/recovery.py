"""What is in the log's folder at its start: all that was acknowledged, without a torn tail."""

import logging
import mmap
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from logs.embedded.folder import create_segment
from logs.embedded.frames import (
    COMMIT_MAGIC,
    FrameCodec,
    FrameHead,
    SegmentHeader,
    TopicOffsets,
    decode_segment_header,
)
from logs.embedded.segments import Segment, header_after, iterate_frames
from logs.log import LogDamaged, LogMismatch

logger = logging.getLogger(__name__)

_CLOSED: Final = "closed"


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
