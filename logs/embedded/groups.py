"""Consumer groups within one process: who owns which partition, and the hand-over."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Final

from logs.embedded.partitions import Files, Partition, PartitionReader
from logs.log import LogOutage, Ownership, Position, Record


class Member:
    """A member of a group: what `EmbeddedLog.subscribe` returns."""

    def __init__(self, group: "ConsumerGroup", files: Files, ownership: Ownership) -> None:
        self._group = group
        self.ownership: Final = ownership
        self.reader: Final = PartitionReader(files)
        self.owned: set[Partition] = set()
        self.failure: Exception | None = None

    async def read(self, *, max_records: int) -> Mapping[int, Sequence[Record]]:
        """Wait for records and return some."""
        if self.failure is not None:
            raise self.failure
        try:
            return await self.reader.read(max_records)
        except LogOutage:
            if self.failure is not None:
                raise self.failure from None
            raise

    def seek(self, position: Position) -> None:
        """Let the next read of an owned partition begin here."""
        partition = self._group.partitions[position.partition]
        if self.reader.is_reading(partition):
            self.reader.start(partition, position.offset)

    def hold(self, position: Position) -> None:
        """Read an owned partition no further, until it is assigned again."""
        self.reader.stop(self._group.partitions[position.partition])

    async def close(self) -> None:
        """Give up the partitions and leave."""
        await self._group.leave(self)
        self.reader.end("The subscription is closed.")


class ConsumerGroup:
    """The members of one consumer group of one topic; at most one owns a partition."""

    def __init__(self, partitions: Sequence[Partition], files: Files) -> None:
        self.partitions: Final = partitions
        self._files = files
        self._members: list[Member] = []
        self._lock = asyncio.Lock()

    async def join(self, ownership: Ownership) -> Member:
        """Add a member and return it once it owns its share."""
        member = Member(self, self._files, ownership)
        async with self._lock:
            self._members.append(member)
            try:
                await self._share()
            except BaseException:
                await self._remove(member)
                raise
        if member.failure is not None:
            raise member.failure
        return member

    async def leave(self, member: Member) -> None:
        """Take a member out and share its partitions among the others."""
        async with self._lock:
            if member in self._members:
                await self._remove(member)

    async def _remove(self, member: Member) -> None:
        if member in self._members:
            self._members.remove(member)
        try:
            await _revoke(member, set(member.owned))
        finally:
            await self._share()

    async def _share(self) -> None:
        wanted = self._wanted()
        # All give up first, then all receive: a partition never has two owners.
        for member, partitions in wanted.items():
            await self._call(member, _revoke(member, member.owned - partitions))
        for member, partitions in wanted.items():
            await self._call(member, _assign(member, partitions - member.owned))

    def _wanted(self) -> dict[Member, set[Partition]]:
        """Return an even share for each, moving as little as possible."""
        if not self._members:
            return {}
        quota, extra = divmod(len(self.partitions), len(self._members))
        wanted: dict[Member, set[Partition]] = {}
        free = set(self.partitions)
        for place, member in enumerate(self._members):
            kept = sorted(member.owned, key=_number)[: quota + (place < extra)]
            wanted[member] = set(kept)
            free -= wanted[member]
        rest = sorted(free, key=_number)
        for place, member in enumerate(self._members):
            while rest and len(wanted[member]) < quota + (place < extra):
                wanted[member].add(rest.pop(0))
        return wanted

    async def _call(self, member: Member, change: Coroutine[None, None, None]) -> None:
        try:
            await change
        except Exception as error:  # noqa: BLE001 — the member at fault hears of it, not this one
            member.failure = error
            member.reader.end(str(error))


def _number(partition: Partition) -> int:
    return partition.number


async def _revoke(member: Member, partitions: set[Partition]) -> None:
    if not partitions:
        return
    member.owned -= partitions
    for partition in partitions:
        member.reader.stop(partition)
    await member.ownership.revoked(sorted(partition.number for partition in partitions))


async def _assign(member: Member, partitions: set[Partition]) -> None:
    if not partitions:
        return
    numbers = sorted(partition.number for partition in partitions)
    member.owned |= partitions
    starts = await member.ownership.assigned(numbers)
    for partition in partitions:
        member.reader.start(partition, starts[partition.number])
