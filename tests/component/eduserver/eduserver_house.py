"""An EDU server under test, over a log."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from base.clock import Clock, ManualClock
from base.database import Database, open_database
from base.tasks import Tasks
from components.eduserver.assembly import SCHEMA, EduServer, build
from components.eduserver.settings import EduServerSettings
from logs.embedded import EmbeddedLog
from logs.log import Origin, Outgoing, Position, Record
from logs.records.rejected import RejectedRecord
from logs.records.typing import InputTyping, TypingExpired, TypingRequested
from logs.topics import INPUT_TYPING, OUTPUT_TYPING, REJECTED, TOPICS
from tests.contract.logs.ledger import UnreliableLog

ROOM = "!room:xylem.test"
OTHER = "!other:xylem.test"
ALICE = "@alice:xylem.test"
BOB = "@bob:xylem.test"

Announced = tuple[str, list[str]]
"""A room, and who types there."""


IsAll = Callable[[list[Record]], bool]


class House:
    """A running EDU server."""

    def __init__(
        self, log: EmbeddedLog, servers_log: UnreliableLog, server: EduServer, database: Database
    ) -> None:
        self.log = log
        self.servers_log = servers_log
        """The same log, as the server reaches it."""
        self.server = server
        self.database = database

    async def put(self, *records: InputTyping | bytes) -> Sequence[Position]:
        """Append inputs at once."""
        return await self.log.append(
            INPUT_TYPING.name,
            [
                Outgoing("", one)
                if isinstance(one, bytes)
                else Outgoing(one.room_id, INPUT_TYPING.encode(one))
                for one in records
            ],
        )

    async def records(self) -> list[Record]:
        """Return all that has been announced of what was put, as it stands in the log.

        What was announced before a restart may stand there again, with the same numbers.
        """
        # What follows it is set aside, through the same outbox: once that is there, all is.
        [end] = await self.put(b"the end")

        def is_there(found: list[Record]) -> bool:
            return any(REJECTED.decode(one.value).offset == end.offset for one in found)

        await self._read(REJECTED.name, is_there)
        return await self._stored(OUTPUT_TYPING.name)

    async def outputs(self) -> list[Announced]:
        """Return all that has been announced of what was put, as readers see it."""
        return _announced(await self.records())

    async def announced(self, count: int) -> list[Announced]:
        """Wait until so much is announced, and return it."""
        return _announced(
            await self._read(OUTPUT_TYPING.name, lambda found: len(_announced(found)) >= count)
        )

    async def expiries(self) -> list[TypingExpired]:
        """Return the expiries that were written so far."""
        inputs = [INPUT_TYPING.decode(one.value) for one in await self._stored(INPUT_TYPING.name)]
        return [one for one in inputs if isinstance(one, TypingExpired)]

    async def rejected(self, count: int) -> list[RejectedRecord]:
        """Wait until so many inputs are rejected and return them."""
        found = await self._read(REJECTED.name, lambda found: len(found) >= count)
        return [REJECTED.decode(one.value) for one in found]

    async def _stored(self, topic: str) -> list[Record]:
        end = (await self.log.bounds(topic))[0][1]
        return await self._read(topic, lambda found: len(found) >= end)

    async def _read(self, topic: str, is_all: IsAll) -> list[Record]:
        tail = await self.log.tail(topic, {0: 0})
        found: list[Record] = []
        while not is_all(found):
            found.extend(await tail.read())
        await tail.close()
        return found


def _announced(records: list[Record]) -> list[Announced]:
    seen: dict[Origin | None, Announced] = {}
    for one in records:
        record = OUTPUT_TYPING.decode(one.value)
        seen[one.origin] = record.room_id, record.user_ids
    return list(seen.values())


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a test wants of its server; time stands still unless it says otherwise."""

    settings: EduServerSettings = EduServerSettings()
    clock: Clock = msgspec.field(default_factory=ManualClock)
    timers_run: bool = True


@contextlib.asynccontextmanager
async def running_house(
    folder: Path, database_url: str, options: Options | None = None
) -> AsyncIterator[House]:
    """Start an EDU server over the log in this folder."""
    options = options or Options()
    log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1), clock=options.clock)
    database = await open_database(database_url, SCHEMA)
    servers_log = UnreliableLog(log)
    server = build(
        log=servers_log, database=database, settings=options.settings, clock=options.clock
    )
    try:
        async with Tasks() as tasks:
            tasks.start("eduserver", server.consumer.run())
            if options.timers_run:
                tasks.start("eduserver, expiry", server.expiry.run())
            yield House(log, servers_log, server, database)
    finally:
        await log.close()
        await database.close()


def types(user_id: str, timeout_ms: int = 30_000, *, room_id: str = ROOM) -> TypingRequested:
    """Return the input of a user who types, or with 0 no longer does."""
    return TypingRequested(room_id, user_id, timeout_ms)
