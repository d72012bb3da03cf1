"""How far memory knows a topic, and those who wait until it is further."""

from collections.abc import Sequence
from typing import Final

from base.growing import GrowingNumber


class TopicProgress:
    """How far each partition of a topic is projected, committed and known to memory."""

    def __init__(self, next_offsets: Sequence[int]) -> None:
        self._next_offsets: Final = [GrowingNumber(offset) for offset in next_offsets]
        self._all: tuple[int, ...] | None = None

    @property
    def next_offsets(self) -> tuple[int, ...]:
        """The first offset of each partition that is not projected yet."""
        if self._all is None:
            self._all = tuple([number.value for number in self._next_offsets])
        return self._all

    def at(self, partition: int) -> int:
        """Return the first offset of a partition that is not projected yet."""
        return self._next_offsets[partition].value

    def advance(self, partition: int, next_offset: int) -> None:
        """Note that everything before this offset is committed, and known to memory."""
        self._all = None
        self._next_offsets[partition].grow(next_offset)

    def has_reached(self, partition: int, next_offset: int) -> bool:
        """Whether everything before this offset of the partition is committed."""
        return self.at(partition) >= next_offset

    async def reached(self, partition: int, next_offset: int) -> None:
        """Return once everything before this offset of the partition is committed."""
        await self._next_offsets[partition].reach(next_offset)
