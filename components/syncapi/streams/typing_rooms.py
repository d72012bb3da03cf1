"""Who types where: the newest list of each room, in memory only."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple


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
