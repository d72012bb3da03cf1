"""Who types where: the newest list of each room, in memory only, read beside all other readers."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from logs.log import Log, Record
from logs.records.typing import OutputTyping
from logs.tail_reader import Bounds, Decoding, TailReader
from logs.topics import OUTPUT_TYPING

_READER: Final = "syncapi"
_MOST_AT_START: Final = 10_000
"""Records per partition that are read again at the start: older lists have long ended."""


class TypingList(NamedTuple):
    """All who type in a room, since which place in the stream."""

    room_id: str
    user_ids: Sequence[str]
    stream_order: int


class TypingRooms:
    """The newest lists of each partition, the newest at the end."""

    def __init__(self, partitions: int, most_per_partition: int) -> None:
        self._most: Final = most_per_partition
        self._rooms: Final[list[OrderedDict[str, TypingList]]] = [
            OrderedDict() for _ in range(partitions)
        ]

    def get(self, partition: int, room_id: str) -> TypingList | None:
        """Return who types in a room; None if nothing is known."""
        return self._rooms[partition].get(room_id)

    def changed_since(self, since: tuple[int, ...]) -> Iterator[TypingList]:
        """Give the lists that changed at or after this position, empty ones too."""
        for rooms, order in zip(self._rooms, since, strict=True):
            for one in reversed(rooms.values()):
                if one.stream_order < order:
                    break
                yield one

    def put(self, partition: int, one: TypingList) -> bool:
        """Replace a room's list; false for one that says the same, which changes nothing.

        After a crash the EDU server may announce the same list once more.
        """
        rooms = self._rooms[partition]
        known = rooms.get(one.room_id)
        if known is not None and known.user_ids == one.user_ids:
            return False
        rooms[one.room_id] = one
        rooms.move_to_end(one.room_id)
        while len(rooms) > self._most:
            rooms.popitem(last=False)
        return True


def typing_reader(
    log: Log, learn: Callable[[int, Sequence[TypingList], int], None]
) -> TailReader[OutputTyping]:
    """Return the reader of all of OutputTyping, which every process has for itself."""

    def take(records: Sequence[tuple[Record, OutputTyping | None]]) -> None:
        lists: dict[int, list[TypingList]] = {}
        next_offsets: dict[int, int] = {}
        for record, value in records:
            ones = lists.setdefault(record.partition, [])
            next_offsets[record.partition] = record.offset + 1
            if value is not None:
                ones.append(TypingList(value.room_id, value.user_ids, record.offset))
        for partition, ones in lists.items():
            learn(partition, ones, next_offsets[partition])

    def newest(bounds: Bounds) -> dict[int, int]:
        starts = {one: max(first, end - _MOST_AT_START) for one, (first, end) in bounds.items()}
        for partition, start in starts.items():
            # What lies before is known as far as anybody wants to know it.
            learn(partition, (), start)
        return starts

    return TailReader(log, Decoding(_READER, OUTPUT_TYPING), take, starts=newest)
