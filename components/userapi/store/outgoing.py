"""What has been decided and OutputClientData has yet to be told."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

import sqlalchemy as sa

from base.database import Connection, Database, Statement, insert, insert_for, insert_into
from base.growing import GrowingNumber
from components.userapi.store.tables import outgoing, outgoing_sequences
from logs.records.client_data import OutputClientData
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.errors import Unavailable

T = TypeVar("T")


def _next_sequence(dialect: str) -> sa.Executable:
    return (
        insert_for(dialect, outgoing_sequences)
        .values(partition=sa.bindparam("partition"), next_sequence=sa.literal_column("1"))
        .on_conflict_do_update(
            index_elements=[outgoing_sequences.c.partition],
            set_={"next_sequence": outgoing_sequences.c.next_sequence + sa.literal_column("1")},
        )
        .returning(outgoing_sequences.c.next_sequence)
    )


_NEXT_SEQUENCE: Final = Statement(_next_sequence)
_INSERT_OUTGOING: Final = insert_into(outgoing)


class OutgoingRecord(NamedTuple):
    """A record that waits to be appended, with its number in its partition."""

    partition: int
    sequence: int
    key: str
    value: bytes


class OutgoingStore:
    """The outbox of OutputClientData, filled in the transactions of the other stores."""

    def __init__(
        self, database: Database, partition_of: Callable[[str], int], *, timeout_s: float
    ) -> None:
        """Take the database, and how long a write waits for the announcer at most."""
        self._database = database
        self._partition_of = partition_of
        self._timeout_s = timeout_s
        self.is_announced = False
        """Whether an announcer runs here. Without one, as in a command, writes don't wait."""
        self.written = asyncio.Event()
        """Set after a transaction which may have left something to send."""
        self.count = 0
        """How many such transactions there have been."""
        self.announced: Final = GrowingNumber()
        """How many of them are in the log, with all that they have left."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that may `put`; on return, what it did is committed and announced.

        One that finds nothing to change waits, too: for what had changed it before. Raises
        `Unavailable` when that takes too long: it is committed then, and announced later.
        """
        result = await self.commit(work)
        await self.wait_announced()
        return result

    async def commit(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that may `put`; on return it is committed, and announced soon."""
        result = await self._database.write(work)
        self.count += 1
        self.written.set()
        return result

    async def wait_announced(self) -> None:
        """Return once all that was committed here is announced. Raises `Unavailable`."""
        if self.is_announced:
            await self._reach()

    async def _reach(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.announced.reach(self.count)
        except TimeoutError as error:
            raise Unavailable("The change is stored, and can only be seen later.") from error

    async def all_announced(self) -> None:
        """Return once all that any replica has committed before is in the log.

        For those who run beside the announcer. Raises `Unavailable`.
        """
        self.count += 1
        self.written.set()
        await self._reach()

    def put(self, connection: Connection, record: OutputClientData) -> None:
        """Leave a record to be sent once the transaction is committed.

        Called last in a transaction: taking the number holds up the others of its partition.
        """
        partition = self._partition_of(record.user_id)
        _insert(connection, partition, record.user_id, OUTPUT_CLIENT_DATA.encode(record))

    async def select_outgoing(
        self, after: Mapping[int, int], *, limit: int
    ) -> list[OutgoingRecord]:
        """Return what waits beyond these numbers per partition, each partition in order."""
        beyond = sa.and_(
            sa.true(),
            *(
                sa.or_(outgoing.c.partition != partition, outgoing.c.sequence > sequence)
                for partition, sequence in after.items()
            ),
        )
        query = (
            sa.select(outgoing.c.partition, outgoing.c.sequence, outgoing.c.key, outgoing.c.value)
            .where(beyond)
            .order_by(outgoing.c.partition, outgoing.c.sequence)
            .limit(limit)
        )

        def select(connection: Connection) -> list[OutgoingRecord]:
            return [OutgoingRecord(*row) for row in connection.execute(query)]

        return await self._database.read(select)

    async def raise_next_sequences(self, least: Mapping[int, int]) -> None:
        """Let the next records of these partitions have at least these numbers."""
        found = await select_next_sequences(self._database)
        higher = {
            partition: number
            for partition, number in least.items()
            if number > found.get(partition, 0)
        }
        if not higher:
            return

        def work(connection: Connection) -> None:
            for partition, number in higher.items():
                values = {"partition": partition, "next_sequence": number}
                connection.execute(
                    insert(connection, outgoing_sequences)
                    .values(values)
                    .on_conflict_do_update(
                        index_elements=[outgoing_sequences.c.partition],
                        set_={"next_sequence": number},
                        where=outgoing_sequences.c.next_sequence < number,
                    )
                )

        await self._database.write(work)

    async def delete_outgoing(self, up_to: Mapping[int, int]) -> None:
        """Forget what has been appended: per partition, up to and with this number."""

        def delete(connection: Connection) -> None:
            for partition, sequence in sorted(up_to.items()):
                connection.execute(
                    sa.delete(outgoing).where(
                        outgoing.c.partition == partition, outgoing.c.sequence <= sequence
                    )
                )

        await self._database.write(delete)


def _insert(connection: Connection, partition: int, key: str, value: bytes) -> None:
    following = _NEXT_SEQUENCE.run(connection, {"partition": partition}).scalar_one()
    values = {"partition": partition, "sequence": following - 1, "key": key, "value": value}
    _INSERT_OUTGOING.run(connection, values)


async def select_next_sequences(database: Database) -> dict[int, int]:
    """Return per partition the number that the next record gets; 0 where there is none."""
    query = sa.select(outgoing_sequences.c.partition, outgoing_sequences.c.next_sequence)

    def select(connection: Connection) -> dict[int, int]:
        return {partition: following for partition, following in connection.execute(query)}  # noqa: C416 — rows to ints

    return await database.read(select)


async def spread_again(database: Database, partition_of: Callable[[str], int]) -> None:
    """Number what waits again where the topic was made again with other partitions.

    Otherwise numbers of several partitions would meet in one, and readers would drop the lower
    ones.
    """

    def spread(connection: Connection) -> None:
        waiting = connection.execute(
            sa.select(outgoing).order_by(outgoing.c.partition, outgoing.c.sequence)
        ).all()
        if all(row.partition == partition_of(row.key) for row in waiting):
            return
        connection.execute(sa.delete(outgoing))
        for row in waiting:
            _insert(connection, partition_of(row.key), row.key, row.value)

    await database.write(spread)
