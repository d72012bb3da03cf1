"""The bytes of the embedded log: segment headers, commits, and the frames of records in them.

A segment file is one header and then commits. A commit is what one write made durable: its
header (number, length) and frames. A frame holds the records of one append that go to one
partition. All numbers are little-endian; every checksum is seeded with the log's generation, so
that no record can pass for a part of the file.
"""

import mmap
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from logs.log import LogDamaged, Outgoing, Record

SEGMENT_MAGIC: Final = b"XYLEMLOG\x01"
COMMIT_MAGIC: Final = b"\xc1\xf5Xy"
"""Read as a number it is larger than any frame's length; the bytes are in no UTF-8 text."""

_SEGMENT: Final = struct.Struct("<II")
"""Length and checksum of the header that follows the magic."""
_COMMIT: Final = struct.Struct("<4sQI")
"""Magic, number, length of the frames; the checksum follows."""
_CHECKSUM: Final = struct.Struct("<I")
_FRAME: Final = struct.Struct("<II")
"""Length of the payload, checksum."""
_FRAME_REST: Final = struct.Struct("<HHQQI")
"""Topic number, partition, first offset, milliseconds since the epoch, number of records."""

COMMIT_BYTES: Final = _COMMIT.size + _CHECKSUM.size
FRAME_BYTES: Final = _FRAME.size + _FRAME_REST.size


Lane = tuple[int, int]
"""A topic's number and a partition."""


class TopicOffsets(msgspec.Struct, frozen=True):
    """A topic in a segment's header: its number is its place in the header's list."""

    name: str
    next_offsets: list[int]
    """Per partition the offset that the first record in this segment gets."""


class Remainder(msgspec.Struct, frozen=True):
    """What a file says of those that it stands for, where only some of their frames are left."""

    last_number: int
    """The number of the last of them; they follow on each other."""
    next_commit: int
    next_offsets: list[list[int]]
    """Per topic and partition the offset after the last record that they had."""


class SegmentHeader(msgspec.Struct, frozen=True):
    """What a segment says of itself and of everything before it."""

    generation: str
    number: int
    first_commit: int
    topics: list[TopicOffsets]
    created_ms: int = 0
    remainder: Remainder | None = None
    """Where this file has what is left of others: its frames are in no commits."""


class FrameHead(NamedTuple):
    """What a frame's header says; `position` and `end` are places in the segment file."""

    topic: int
    partition: int
    offset: int
    timestamp_ms: int
    number: int
    """How many records."""
    position: int
    end: int


def encode_segment_header(header: SegmentHeader) -> bytes:
    """Return the first bytes of a segment."""
    payload = msgspec.msgpack.encode(header)
    return SEGMENT_MAGIC + _SEGMENT.pack(len(payload), crc32(payload)) + payload


def decode_segment_header(data: bytes | mmap.mmap, name: str) -> tuple[SegmentHeader, int]:
    """Return the header and where the commits begin. Raises `LogDamaged`."""
    start = len(SEGMENT_MAGIC) + _SEGMENT.size
    if bytes(data[: len(SEGMENT_MAGIC)]) != SEGMENT_MAGIC or len(data) < start:
        raise LogDamaged(f"{name} does not begin like a segment of this version's log.")
    length, checksum = _SEGMENT.unpack_from(data, len(SEGMENT_MAGIC))
    payload = bytes(data[start : start + length])
    if len(payload) != length or crc32(payload) != checksum:
        raise LogDamaged(f"The header of segment {name} is damaged.")
    return msgspec.msgpack.decode(payload, type=SegmentHeader), start + length


class FrameCodec:
    """Writes and reads the commits and frames of one generation of a log."""

    def __init__(self, generation: str) -> None:
        self._seed = crc32(generation.encode())
        self._encode: Final = msgspec.msgpack.Encoder().encode
        self._decode: Final = msgspec.msgpack.Decoder(list[Outgoing]).decode

    def encode_records(self, records: Sequence[Outgoing]) -> bytes:
        """Return the payload of a frame."""
        return self._encode(records)

    def encode_frame(
        self, lane: Lane, offset: int, now_ms: int, number: int, payload: bytes
    ) -> bytes:
        """Return the frame of a payload that `encode_records` made of `number` records."""
        rest = _FRAME_REST.pack(*lane, offset, now_ms, number)
        length = len(payload)
        checksum = crc32(payload, crc32(rest, self._seed ^ length))
        return _FRAME.pack(length, checksum) + rest + payload

    def encode_commit(self, number: int, length: int) -> bytes:
        """Return the header of a commit of `length` bytes of frames."""
        head = _COMMIT.pack(COMMIT_MAGIC, number, length)
        return head + _CHECKSUM.pack(crc32(head, self._seed))

    def read_commit(self, data: bytes | memoryview, position: int) -> tuple[int, int] | None:
        """Return the number and the end of the commit here, or `None` where none begins."""
        if position + COMMIT_BYTES > len(data):
            return None
        magic, number, length = _COMMIT.unpack_from(data, position)
        (checksum,) = _CHECKSUM.unpack_from(data, position + _COMMIT.size)
        if magic != COMMIT_MAGIC:
            return None
        if crc32(data[position : position + _COMMIT.size], self._seed) != checksum:
            return None
        return number, position + COMMIT_BYTES + length

    def read_frame(self, data: bytes | memoryview, position: int, base: int = 0) -> FrameHead:
        """Return the header of the frame here, unchecked; `data` begins at `base` in the file."""
        at = position - base
        length, _ = _FRAME.unpack_from(data, at)
        topic, partition, offset, timestamp_ms, number = _FRAME_REST.unpack_from(
            data, at + _FRAME.size
        )
        end = position + FRAME_BYTES + length
        return FrameHead(topic, partition, offset, timestamp_ms, number, position, end)

    def is_whole(self, data: bytes | memoryview, frame: FrameHead, base: int = 0) -> bool:
        """Tell whether the frame's bytes are what was written."""
        start, end = frame.position - base, frame.end - base
        if end > len(data):
            return False
        length, checksum = _FRAME.unpack_from(data, start)
        rest = data[start + _FRAME.size : start + FRAME_BYTES]
        payload = data[start + FRAME_BYTES : end]
        return bool(crc32(payload, crc32(rest, self._seed ^ length)) == checksum)

    def decode_records(
        self, data: bytes | memoryview, frame: FrameHead, base: int = 0
    ) -> list[Record]:
        """Return the records of a frame. Raises `LogDamaged`."""
        if not self.is_whole(data, frame, base):
            raise LogDamaged(f"The frame at byte {frame.position} does not match its checksum.")
        payload = data[frame.position - base + FRAME_BYTES : frame.end - base]
        outgoing = self._decode(payload)
        return records_of(outgoing, frame.partition, frame.offset, frame.timestamp_ms)


def records_of(
    outgoing: Sequence[Outgoing], partition: int, offset: int, timestamp_ms: int
) -> list[Record]:
    """Return the records as readers get them, numbered from `offset`."""
    return [
        Record(partition, number, key, value, timestamp_ms, origin)
        for number, (key, value, origin) in enumerate(outgoing, offset)
    ]
