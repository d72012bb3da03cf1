"""How far memory knows a topic, and those who wait until it is further."""

import asyncio
from collections.abc import Sequence
from typing import Final


class TopicProgress:
    """How far each partition of a topic is projected, committed and known to memory."""

    def __init__(self, next_offsets: Sequence[int]) -> None:
        self._next_offsets: Final = list(next_offsets)
        self._all: tuple[int, ...] | None = None
        self._waiting: Final[list[tuple[int, int, asyncio.Future[None]]]] = []

    @property
    def next_offsets(self) -> tuple[int, ...]:
        """The first offset of each partition that is not projected yet."""
        if self._all is None:
            self._all = tuple(self._next_offsets)
        return self._all

    def at(self, partition: int) -> int:
        """Return the first offset of a partition that is not projected yet."""
        return self._next_offsets[partition]

    def advance(self, partition: int, next_offset: int) -> None:
        """Note that everything before this offset is committed, and known to memory."""
        if next_offset <= self._next_offsets[partition]:
            return
        self._next_offsets[partition] = next_offset
        self._all = None
        for waited, offset, future in self._waiting:
            if waited == partition and offset <= next_offset and not future.done():
                future.set_result(None)

    def has_reached(self, partition: int, next_offset: int) -> bool:
        """Whether everything before this offset of the partition is committed."""
        return self._next_offsets[partition] >= next_offset

    async def reached(self, partition: int, next_offset: int) -> None:
        """Return once everything before this offset of the partition is committed."""
        if self.has_reached(partition, next_offset):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (partition, next_offset, future)
        self._waiting.append(waiting)
        try:
            await future
        finally:
            self._waiting.remove(waiting)
