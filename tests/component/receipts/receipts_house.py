"""A receipt server under test, over a log."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from base.database import open_database
from base.tasks import Tasks
from components.receipts.assembly import SCHEMA, ReceiptServer, build
from components.receipts.history import ReceiptHistoryReader
from components.receipts.settings import ReceiptServerSettings
from logs.embedded import EmbeddedLog
from logs.log import Outgoing, Record
from logs.records.receipts import EventPlace, InputReceipt, MarkRead, OutputReceipt
from logs.records.rejected import RejectedRecord
from logs.topics import INPUT_RECEIPT, OUTPUT_RECEIPT, REJECTED, TOPICS

ROOM = "!room:xylem.test"
ALICE = "@alice:xylem.test"
BOB = "@bob:xylem.test"
NOBODY = "@nobody:xylem.test"

Type = Literal["m.read", "m.read.private", "m.fully_read"]


class House:
    """A running receipt server."""

    def __init__(
        self, log: EmbeddedLog, server: ReceiptServer, history: ReceiptHistoryReader
    ) -> None:
        self.log = log
        self.server = server
        self.history = history

    async def put(self, *records: InputReceipt | bytes, room_id: str = ROOM) -> None:
        """Append inputs at once."""
        await self.log.append(
            INPUT_RECEIPT.name,
            [
                Outgoing(room_id, one if isinstance(one, bytes) else INPUT_RECEIPT.encode(one))
                for one in records
            ],
        )

    async def records(self) -> list[Record]:
        """Return all that has been announced of what was put, as it stands in the log.

        What was announced before a restart may stand there again, with the same numbers.
        """
        # Output is in the order of input: once what comes last is there, all is.
        last = mark(f"$last{(await self.log.bounds(INPUT_RECEIPT.name))[0][1]}", 1, user_id=NOBODY)
        await self.put(msgspec.structs.replace(last, room_id=f"!{last.event_id[1:]}"))
        tail = await self.log.tail(OUTPUT_RECEIPT.name, {0: 0})
        found: list[Record] = []
        while not any(last.event_id.encode() in one.value for one in found):
            found.extend(await tail.read())
        await tail.close()
        return [one for one in found if NOBODY.encode() not in one.value]

    async def outputs(self) -> list[OutputReceipt]:
        """Return all that has been announced of what was put, as readers see it."""
        return list(
            {one.origin: OUTPUT_RECEIPT.decode(one.value) for one in await self.records()}.values()
        )

    async def rejected(self, count: int) -> list[RejectedRecord]:
        """Wait until so many inputs are rejected and return them."""
        tail = await self.log.tail(REJECTED.name, {0: 0})
        found: list[Record] = []
        while len(found) < count:
            found.extend(await tail.read())
        await tail.close()
        return [REJECTED.decode(one.value) for one in found]


@contextlib.asynccontextmanager
async def running_house(
    folder: Path, database_url: str, settings: ReceiptServerSettings | None = None
) -> AsyncIterator[House]:
    """Start a receipt server over the log in this folder."""
    log = await EmbeddedLog.open(folder / "log", dict.fromkeys(TOPICS, 1))
    database = await open_database(database_url, SCHEMA)
    server = build(log=log, database=database, settings=settings or ReceiptServerSettings())
    try:
        async with Tasks() as tasks:
            tasks.start("receipts", server.consumer.run())
            yield House(log, server, ReceiptHistoryReader(database))
    finally:
        await log.close()
        await database.close()


def mark(
    event_id: str,
    depth: int,
    *,
    user_id: str = ALICE,
    kind: Type = "m.read",
    stream: int | None = None,
    **options: Any,
) -> MarkRead:
    """Return the input of a receipt."""
    options = {"room_id": ROOM, "ts": 1_700_000_000_000 + depth, **options}
    return MarkRead(
        user_id=user_id,
        receipt_type=kind,
        event_id=event_id,
        place=EventPlace(depth, stream),
        **options,
    )


def event_ids(outputs: Sequence[OutputReceipt]) -> list[str]:
    """Return to which events markers have moved, in order."""
    return [one.event_id for one in outputs]
