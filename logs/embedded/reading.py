"""Reading records back from a segment file; runs in a thread."""

import os
from typing import Final, NamedTuple

from logs.embedded.frames import FrameCodec, Lane
from logs.embedded.segments import iterate_frames
from logs.log import LogDamaged, Record

_CHUNK_BYTES: Final = 512 * 1024


class Wanted(NamedTuple):
    """Up to `limit` records of one partition, from `offset` on."""

    lane: Lane
    offset: int
    limit: int


def read_records(
    file: int, codec: FrameCodec, wanted: Wanted, place: int, size: int
) -> list[Record]:
    """Return at least one of the records wanted, of an open file, which is closed.

    `place` is a frame at or before the first, `size` the part of the file that is durable.
    Raises `LogDamaged` if the record is not there as it was written.
    """
    chunk = _CHUNK_BYTES
    try:
        while place < size:
            data = os.pread(file, min(chunk, size - place), place)
            found, end = _records_in(codec, data, place, wanted)
            if found:
                return found
            if end > place:
                place = end
            elif chunk < size - place:
                chunk *= 4
            else:
                break
    finally:
        os.close(file)
    raise LogDamaged(
        f"Record {wanted.offset} is not in the log's file, where it was written. Restore the file "
        "from a backup; or move the folder away, and run `xylem rebind`."
    )


def _records_in(
    codec: FrameCodec, data: bytes, base: int, wanted: Wanted
) -> tuple[list[Record], int]:
    lane, offset, limit = wanted
    found: list[Record] = []
    end = base
    for frame in iterate_frames(codec, data, base, base):
        end = frame.end
        if (frame.topic, frame.partition) != lane or frame.offset + frame.number <= offset:
            continue
        records = codec.decode_records(data, frame, base)
        found += records[max(0, offset - frame.offset) :]
        if len(found) >= limit:
            return found[:limit], end
    return found, end
