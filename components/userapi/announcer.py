"""Tells OutputClientData what the stores have left for it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from base.database import DatabaseOutage
from components.userapi.store.outgoing import OutgoingRecord, OutgoingStore
from logs.log import Log, LogOutage, Origin, Outgoing, Record
from logs.topics import OUTPUT_CLIENT_DATA

_log: Final = logging.getLogger(__name__)

_STREAM: Final = "userapi"
_BATCH: Final = 500
_DELETE_AFTER: Final = 200
_DELETE_AFTER_S: Final = 1.0
_LOOK_AGAIN_S: Final = 5.0
_RETRY_AFTER_S: Final = 1.0


class Announcer:
    """Appends the outbox in order.

    Several replicas may do so at the same time: none goes past a number that is not appended, and
    readers drop the numbers that they have seen.
    """

    def __init__(self, store: OutgoingStore, log: Log) -> None:
        self._store = store
        self._log = log
        self._sent: dict[int, int] = {}
        self._undeleted = 0

    async def run(self) -> None:
        """Send what is left and what comes, until cancelled. An outage is waited out."""
        self._store.is_announced = True
        is_numbered = False
        try:
            while True:
                try:
                    if not is_numbered:
                        await self._number_behind_the_log()
                        is_numbered = True
                    await self._send()
                    await self._wait()
                except (LogOutage, DatabaseOutage) as outage:
                    _log.debug("Client data waits to be announced", extra={"reason": str(outage)})
                    await asyncio.sleep(_RETRY_AFTER_S)
        finally:
            self._store.is_announced = False

    async def _number_behind_the_log(self) -> None:
        """Let numbers go on behind the last ones in the log.

        Where the database was put back to an older state, and the log was not, they would be given
        a second time, and readers would drop what comes with them.
        """
        bounds = await self._log.bounds(OUTPUT_CLIENT_DATA.name)
        places = {number: end - 1 for number, (first, end) in bounds.items() if first < end}
        if not places:
            return
        tail = await self._log.tail(OUTPUT_CLIENT_DATA.name, places)
        given: dict[int, int] = {}
        try:
            while places.keys() - given.keys():
                for record in await tail.read():
                    sequence = -1 if record.origin is None else record.origin.sequence
                    given[record.partition] = max(given.get(record.partition, 0), sequence + 1)
        finally:
            await tail.close()
        await self._store.raise_next_sequences(given)

    async def send_all(self) -> None:
        """Send and delete what is left now."""
        await self._send()
        await self._delete()

    async def _send(self) -> None:
        has_more = True
        while has_more:
            self._store.written.clear()
            count = self._store.count
            records = await self._store.select_outgoing(self._sent, limit=_BATCH)
            if records:
                await self._append(records)
            has_more = len(records) == _BATCH
            if not has_more:
                # What another replica has deleted meanwhile was appended by that one.
                self._store.announced.grow(count)
            if self._undeleted >= _DELETE_AFTER:
                await self._delete()

    async def _append(self, records: Sequence[OutgoingRecord]) -> None:
        await self._log.append(OUTPUT_CLIENT_DATA.name, [_outgoing(record) for record in records])
        for record in records:
            self._sent[record.partition] = record.sequence
        self._undeleted += len(records)

    async def _wait(self) -> None:
        # Rows are deleted some time after they were sent, many in one transaction: what is sent
        # again because the process died meanwhile has the same number and is dropped.
        timeout_s = _DELETE_AFTER_S if self._undeleted else _LOOK_AGAIN_S
        try:
            async with asyncio.timeout(timeout_s):
                await self._store.written.wait()
        except TimeoutError:
            await self._delete()

    async def _delete(self) -> None:
        if self._undeleted:
            await self._store.delete_outgoing(self._sent)
            self._undeleted = 0


def is_newer(record: Record, next_sequences: Mapping[int, int]) -> bool:
    """Tell whether a record announces what was written after these numbers were the next ones."""
    origin = record.origin
    return (
        origin is not None
        and origin.stream == _STREAM
        and origin.sequence >= next_sequences.get(record.partition, 0)
    )


def _outgoing(record: OutgoingRecord) -> Outgoing:
    return Outgoing(record.key, record.value, Origin(_STREAM, record.sequence))
