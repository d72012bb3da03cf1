"""Makes the tables of a reader again, beside those that serve, and lets them serve then."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Generic, TypeVar

import msgspec

from base.database import Connection, Database, SchemaTooOld
from logs.consumer.tables import ConsumerStore
from logs.log import Log
from logs.rebuilding import RebuildGround, RebuildProgress
from logs.rebuilding.catching_up import CatchingUp
from logs.rebuilding.copies import (
    BUILDING,
    RETIRED,
    delete_copy,
    insert_copy,
    select_copies,
    select_serving,
    update_retired,
    update_serving,
)
from logs.rebuilding.progress import (
    insert_progress,
    select_cursor,
    select_generation,
    update_progress,
    update_run,
)
from logs.rebuilding.reader import ConsumerName, RebuildHistory, RebuildPart, RebuiltReader
from logs.rebuilding.waiting_out import wait_out

C = TypeVar("C", bound=msgspec.Struct)

_log: Final = logging.getLogger(__name__)

NOTICE_S: Final = 10.0
"""How long processes have to leave the former copy; they look every second."""

_encode: Final = msgspec.msgpack.Encoder().encode


async def rebuild(
    ground: RebuildGround,
    reader: RebuiltReader[C],
    show: Callable[[RebuildProgress], None],
    *,
    notice_s: float = NOTICE_S,
) -> None:
    """Make a reader's tables again; `show` hears how far it is.

    Returns when the new copy serves and the former one is gone. Waits for outages to end. Raises
    `RebuildRefused` where another run goes on with it, and `RecordsLost`. With `notice_s` of 0 no
    process serves.
    """
    await _drop_retired(ground, reader)
    number = await _begin(ground, reader)
    copy = await ground.copies.open(reader.schema.numbered(number), may_migrate=True)
    try:
        work = _Filling(ground, reader, copy, show)
        await work.start()
        await work.fill()
        await reader.catch_up(copy, CatchingUp(work.tell_behind))
        await copy.make_durable()
    finally:
        await copy.close()
    await wait_out(partial(_switch, ground, number))
    await asyncio.sleep(notice_s)
    await _drop_retired(ground, reader)


async def _begin(ground: RebuildGround, reader: RebuiltReader[Any]) -> int:
    """Return the number of the copy that an earlier run has begun, or of a new one."""
    copies = await ground.register.read(select_copies)
    for number in sorted(number for number, state in copies.items() if state == BUILDING):
        if await _can_go_on(ground, reader, number):
            return number
        await ground.register.write(partial(update_retired, number=number), durable=True)
    await _drop_retired(ground, reader)
    return await ground.register.write(insert_copy, durable=True)


async def _can_go_on(ground: RebuildGround, reader: RebuiltReader[Any], number: int) -> bool:
    """Tell whether the topics still have what this copy has yet to read."""
    copy = await ground.copies.open(reader.schema.numbered(number), may_migrate=True)
    try:
        generation = await copy.read(select_generation)
        if generation is None:
            return True
        if generation != ground.log.generation:
            return False
        for name in reader.positions:
            if not await _is_in_log(ground.log, copy, name):
                return False
        return True
    finally:
        await copy.close()


async def _is_in_log(log: Log, copy: Database, name: ConsumerName) -> bool:
    bounds = await log.bounds(name.topic)
    for partition, offset in (await copy.read(ConsumerStore(*name).select_offsets)).items():
        first, end = bounds.get(partition, (0, -1))
        if not first <= offset <= end:
            _log.warning(
                "a rebuild starts again: the log no longer has what it would go on with",
                extra={"topic": name.topic, "partition": partition},
            )
            return False
    return True


async def _switch(ground: RebuildGround, number: int) -> None:
    def work(connection: Connection) -> None:
        # A commit whose answer was lost has been made.
        if select_serving(connection) != number:
            update_serving(connection, number)

    await ground.register.write(work, durable=True)


async def _drop_retired(ground: RebuildGround, reader: RebuiltReader[Any]) -> None:
    copies = await ground.register.read(select_copies)
    for number, state in copies.items():
        if state == RETIRED:
            await wait_out(partial(ground.copies.drop, reader.schema.numbered(number)))
            await ground.register.write(partial(delete_copy, number=number), durable=True)


class _Filling(Generic[C]):
    """One run's work on one copy."""

    def __init__(
        self,
        ground: RebuildGround,
        reader: RebuiltReader[C],
        copy: Database,
        show: Callable[[RebuildProgress], None],
    ) -> None:
        self._ground: Final = ground
        self._reader: Final = reader
        self._copy: Final = copy
        self._show: Final = show
        self._decode: Final = msgspec.msgpack.Decoder(type(reader.start)).decode
        # An older run that still lives can write no more once this one has begun.
        self._run: Final = secrets.token_hex(8)
        self._rooms = 0
        self._all_rooms = 0
        self._records = 0

    async def start(self) -> None:
        """Begin with the copy, or take over what an earlier run has done."""
        async with self._serving_copy() as former:
            begin = await self._reader.begin(former)
        generation = self._ground.log.generation

        def work(connection: Connection) -> None:
            if select_generation(connection) is not None:
                update_run(connection, self._run)
                return
            insert_progress(connection, self._run, generation, _encode(self._reader.start))
            begin(connection)

        await self._copy.write(work, durable=True)

    @asynccontextmanager
    async def _serving_copy(self) -> AsyncIterator[Database | None]:
        """Open the copy that serves; there may be none that can be read."""
        number = await self._ground.register.read(select_serving)
        try:
            # Processes of an older version may work with it.
            database = await self._ground.copies.open(
                self._reader.schema.numbered(number), may_migrate=False
            )
        except SchemaTooOld:
            yield None
            return
        try:
            yield database
        finally:
            await database.close()

    async def fill(self) -> None:
        """Write the history, from where it is written up to."""
        self._all_rooms = await self._reader.count_rooms()
        await wait_out(self._fill)

    async def _fill(self) -> None:
        """Go on with what the copy has: after an outage it tells what was committed."""
        async with self._serving_copy() as former:
            history = await self._reader.history(self._copy, former)
            stored = await self._copy.read(select_cursor)
            cursor = self._reader.start if stored is None else self._decode(stored)
            self._tell(history, cursor)
            while (part := await history.read(cursor)) is not None:
                await self._copy.write(partial(self._write, before=cursor, part=part))
                cursor = part.after
                self._records += part.records
                self._tell(history, cursor)

    def _write(self, connection: Connection, before: C, part: RebuildPart[C]) -> None:
        update_progress(connection, self._run, _encode(before), _encode(part.after))
        part.write(connection)

    def _tell(self, history: RebuildHistory[C], cursor: C) -> None:
        doing, self._rooms = history.describe(cursor)
        self._all_rooms = max(self._all_rooms, self._rooms)
        self._show(RebuildProgress(doing, self._rooms, self._all_rooms, self._records))

    def tell_behind(self, behind: int) -> None:
        """Tell how many records of the topics are missing."""
        self._show(
            RebuildProgress("the topics", self._rooms, self._all_rooms, self._records, behind)
        )
