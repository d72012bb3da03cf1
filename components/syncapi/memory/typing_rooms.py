"""Who types where: the newest list of each room, in memory only, read beside all other readers."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from logs.consumer_backoff import Backoff
from logs.log import Log, LogOutage, Record, RecordsLost, Tail
from logs.topics import OUTPUT_TYPING

_log: Final = logging.getLogger(__name__)
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


class TypingReader:
    """Reads all of OutputTyping, as every process does for itself."""

    def __init__(self, log: Log, learn: Callable[[int, Sequence[TypingList], int], None]) -> None:
        self._log: Final = log
        self._learn: Final = learn

    async def run(self) -> None:
        """Read until cancelled."""
        backoff = Backoff()
        while True:
            try:
                starts = {
                    partition: max(first, end - _MOST_AT_START)
                    for partition, (first, end) in (
                        await self._log.bounds(OUTPUT_TYPING.name)
                    ).items()
                }
                tail = await self._log.tail(OUTPUT_TYPING.name, starts)
                try:
                    await self._read(tail, backoff)
                finally:
                    await tail.close()
            except (LogOutage, RecordsLost) as outage:
                _log.debug("typing waits for the log", extra={"outage": str(outage)})
                await backoff.wait()

    async def _read(self, tail: Tail, backoff: Backoff) -> None:
        while True:
            records = await tail.read()
            backoff.reset()
            by_partition: dict[int, list[Record]] = {}
            for record in records:
                by_partition.setdefault(record.partition, []).append(record)
            for partition, ones in by_partition.items():
                self._learn(partition, list(_lists(ones)), ones[-1].offset + 1)


def _lists(records: Sequence[Record]) -> Iterator[TypingList]:
    for record in records:
        try:
            value = OUTPUT_TYPING.decode(record.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # a kind of the future
        yield TypingList(value.room_id, value.user_ids, record.offset)
