"""What an owner leaves to be announced, and those who wait until it is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Generic, TypeVar

from base.database import Connection, Database
from base.growing import GrowingNumber
from logs.announcing import AnnouncedTopic
from logs.announcing.tables import insert_outgoing
from logs.log import Log
from matrix.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


class Announcements(Generic[T]):
    """Filled in the transactions of an owner's stores, and sent by its `Announcer`."""

    def __init__(
        self, announced: AnnouncedTopic[T], database: Database, log: Log, *, timeout_s: float
    ) -> None:
        """Take the database, opened with `ANNOUNCING_SCHEMA` as a part of its schema.

        A write waits for the announcer for at most `timeout_s`.
        """
        self.topic: Final = announced
        self.database: Final = database
        self._log: Final = log
        self._timeout_s: Final = timeout_s
        self.is_announced = False
        """Whether an announcer runs here. Without one, as in a command, writes don't wait."""
        self.numbered: Final = asyncio.Event()
        """Set by the announcer once numbers go on behind those in the log."""
        self.written: Final = asyncio.Event()
        """Set after a transaction which may have left something to send."""
        self.count = 0
        """How many such transactions there have been."""
        self.announced: Final = GrowingNumber()
        """How many of them are in the log, with all that they have left."""

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run a transaction that may `put`; on return, what it did is committed and announced.

        One that finds nothing to change waits, too: for what had changed it before. Raises
        `Unavailable` when that takes too long: it is committed then, and announced later.
        """
        result = await self.commit(work)
        await self.wait_announced()
        return result

    async def commit(self, work: Callable[[Connection], R]) -> R:
        """Run a transaction that may `put`; on return it is committed, and announced soon.

        Raises `Unavailable`, and does nothing, where it is not known yet which number is next.
        """
        if self.is_announced and not self.numbered.is_set():
            await self._in_time(self.numbered.wait(), "The log cannot be read yet.")
        result = await self.database.write(work)
        self.note_written()
        return result

    async def wait_announced(self) -> None:
        """Return once all that was committed here is announced. Raises `Unavailable`."""
        if self.is_announced:
            await self._reach()

    async def all_announced(self) -> None:
        """Return once all that any replica has committed before is in the log.

        For those who run beside the announcer. Raises `Unavailable`.
        """
        self.note_written()
        await self._reach()

    async def _reach(self) -> None:
        reached = self.announced.reach(self.count)
        await self._in_time(reached, "The change is stored, and can only be seen later.")

    async def _in_time(self, waiting: Awaitable[object], refusal: str) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await waiting
        except TimeoutError as error:
            raise Unavailable(refusal) from error

    def put_all(self, connection: Connection, records: Iterable[T]) -> None:
        """Leave records of several keys, called last in a transaction.

        Partitions are taken in their order, so that no two transactions wait for each other.
        """
        topic, key_of = self.topic.topic, self.topic.key_of
        by_partition: dict[int, list[tuple[str, bytes]]] = {}
        for record in records:
            key = key_of(record)
            partition = self._log.partition_of(topic.name, key)
            by_partition.setdefault(partition, []).append((key, topic.encode(record)))
        for partition, some in sorted(by_partition.items()):
            insert_outgoing(connection, partition, some)

    def note_written(self) -> None:
        """Say that a transaction of somebody else, as of a consumer, has put something."""
        self.count += 1
        self.written.set()

    def put(self, connection: Connection, record: T) -> None:
        """Leave a record to be sent once the transaction is committed.

        Called last in a transaction: taking the number holds up the others of its partition.
        """
        self.put_all(connection, [record])
