"""Calls of `append` on their way to the disk: their records by partition, and what they return."""

import asyncio
from collections.abc import Sequence

from logs.embedded.frames import FRAME_BYTES, FrameCodec
from logs.embedded.partitions import Partition
from logs.log import LogOutage, Outgoing, Position, Record, partition_of_key


class AppendPart:
    """The records of one append that go to one partition."""

    __slots__ = ("count", "offset", "partition", "payload", "records")

    def __init__(self, partition: Partition, count: int, payload: bytes) -> None:
        self.partition = partition
        self.count = count
        self.payload = payload
        self.offset = 0
        self.records: list[Record] = []


class Append:
    """One call of `append` on its way to the disk."""

    __slots__ = ("done", "outgoing", "parts", "size")

    def __init__(self, outgoing: list[list[Outgoing]], parts: list[AppendPart]) -> None:
        self.outgoing = outgoing
        self.parts = parts
        self.size = sum(len(part.payload) for part in parts) + FRAME_BYTES * len(parts)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def refuse(self, outage: LogOutage) -> None:
        """Let the call fail."""
        if not self.done.done():
            self.done.set_exception(outage)


def encode_append(
    codec: FrameCodec, partitions: Sequence[Partition], records: Sequence[Outgoing]
) -> tuple[Append, list[int] | None]:
    """Return the append, and for each record its part, or `None` if there is but one."""
    if len(partitions) == 1 or len(records) == 1:
        number = partition_of_key(records[0].key, len(partitions))
        groups = {number: list(records)}
        places = None
    else:
        groups = {}
        places = []
        for record in records:
            number = partition_of_key(record.key, len(partitions))
            groups.setdefault(number, []).append(record)
            places.append(number)
    parts = [
        AppendPart(partitions[number], len(group), codec.encode_records(group))
        for number, group in groups.items()
    ]
    return Append(list(groups.values()), parts), places


def positions_of(parts: Sequence[AppendPart], places: Sequence[int] | None) -> list[Position]:
    """Return where the records are, in the order given; `places` are their parts, if several."""
    if places is None:
        part = parts[0]
        number = part.partition.number
        return [Position(number, offset) for offset in range(part.offset, part.offset + part.count)]
    following = {part.partition.number: part.offset for part in parts}
    positions = []
    for number in places:
        positions.append(Position(number, following[number]))
        following[number] += 1
    return positions
