"""A reader for the tests whose tables can be made again from numbers that an owner keeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import sqlalchemy as sa

from base.database import Connection, Database, Schema, drop_database, insert, open_database
from logs.consumer import Message, Outbox
from logs.consumer.loop import Consumer
from logs.consumer.tables import CONSUMER_SCHEMA, reset_positions
from logs.log import Log
from logs.rebuilding.catching_up import CatchingUp
from logs.rebuilding.copies import rebuilds_schema, select_serving
from logs.rebuilding.progress import REBUILDING_SCHEMA
from logs.rebuilding.reader import ConsumerName
from tests.contract.logs.under_test import NUMBERS, Number

_NAME: Final = "rebuilt"
_METADATA: Final = sa.MetaData()
_NUMBERS: Final = sa.Table(
    "numbers", _METADATA, sa.Column("value", sa.Integer, primary_key=True, autoincrement=False)
)
SCHEMA: Final = Schema(_NAME, _METADATA, parts=(CONSUMER_SCHEMA, REBUILDING_SCHEMA))
REGISTER: Final = rebuilds_schema(_NAME)
_AT_ONCE: Final = 10


class Place(msgspec.Struct, frozen=True, array_like=True):
    """How many of the owner's numbers are in a copy."""

    count: int = 0


def _insert(connection: Connection, values: Sequence[int]) -> None:
    for value in values:
        row = insert(connection, _NUMBERS).values(value=value)
        connection.execute(row.on_conflict_do_nothing())


class _Entering:
    """Enters numbers that are read from the topic."""

    def process(
        self, connection: Connection, messages: Sequence[Message[Number]], outbox: Outbox
    ) -> None:
        del outbox
        _insert(connection, [message.value.value for message in messages])

    def committed(self) -> None:
        pass

    def aborted(self) -> None:
        pass


class Part(NamedTuple):
    """A part of the owner's numbers."""

    after: Place
    values: Sequence[int]

    @property
    def records(self) -> int:
        return len(self.values)

    def write(self, connection: Connection) -> None:
        _insert(connection, self.values)


class RebuiltNumbers:
    """The reader; its owner keeps all numbers that it has told of."""

    schema: Final = SCHEMA
    start: Final = Place()
    positions: Final = (ConsumerName(_NAME, NUMBERS.name),)

    def __init__(self, log: Log, owned: Sequence[int]) -> None:
        self._log: Final = log
        self.owned: Final = owned
        self.read_from: Final[list[int]] = []
        """Where the parts began that were read."""

    def consumer(self, database: Database, group: str | None = None) -> Consumer[Number]:
        """Return what enters the topic into a copy."""
        return Consumer(_NAME, NUMBERS, lambda _: _Entering(), self._log, database, group=group)

    async def _ends(self) -> Mapping[int, int]:
        return {one: end for one, (_, end) in (await self._log.bounds(NUMBERS.name)).items()}

    async def begin(self, former: Database | None) -> Callable[[Connection], None]:
        del former
        ends, generation = await self._ends(), self._log.generation

        def work(connection: Connection) -> None:
            reset_positions(connection, _NAME, NUMBERS.name, ends, generation)

        return work

    async def count_rooms(self) -> int:
        return 1

    async def history(self, copy: Database, former: Database | None) -> "RebuiltNumbers":
        del copy, former
        return self

    async def read(self, cursor: Place) -> Part | None:
        self.read_from.append(cursor.count)
        values = self.owned[cursor.count : cursor.count + _AT_ONCE]
        return Part(Place(cursor.count + len(values)), values) if values else None

    def describe(self, cursor: Place) -> tuple[str, int]:
        return "numbers", int(cursor.count == len(self.owned))

    async def catch_up(self, copy: Database, catching_up: CatchingUp) -> None:
        consumer = self.consumer(copy, f"{_NAME}-rebuild")
        await catching_up.read([consumer], [await self._ends()], may_be_behind=0)


class CopiesAt:
    """The copies at a URL."""

    def __init__(self, url: str) -> None:
        self._url: Final = url

    async def open(self, schema: Schema, *, may_migrate: bool) -> Database:
        return await open_database(self._url, schema, may_migrate=may_migrate)

    async def drop(self, schema: Schema) -> None:
        await drop_database(self._url, schema)


async def serving(url: str, register: Database) -> tuple[int, list[int]]:
    """Return the number of the copy that serves, and what it has."""
    number = await register.read(select_serving)
    database = await open_database(url, SCHEMA.numbered(number))
    query = sa.select(_NUMBERS.c.value).order_by(_NUMBERS.c.value)
    values = await database.read(lambda connection: list(connection.execute(query).scalars()))
    await database.close()
    return number, values
