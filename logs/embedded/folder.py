"""The log's folder: one process has it, and what is written there is there."""

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec

from logs.embedded.frames import SegmentHeader, encode_segment_header
from logs.embedded.segments import Segment, segment_path

_PROBE_BYTES: Final = 64 * 1024


class FolderInUse(Exception):
    """Another process has this log's folder open."""


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
