"""Appends what an owner's stores have left to be announced."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from base.database import DatabaseOutage
from logs.announcing.announcements import Announcements
from logs.announcing.reconciling import number_behind_the_log
from logs.announcing.tables import OutgoingRecord, delete_outgoing, select_outgoing
from logs.log import Log, LogOutage, Origin, Outgoing

_log: Final = logging.getLogger(__name__)

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

    def __init__(self, announcements: Announcements[Any], log: Log) -> None:
        self._announcements: Final = announcements
        self._topic: Final = announcements.topic.topic.name
        self._stream: Final = announcements.topic.stream
        self._database: Final = announcements.database
        self._log: Final = log
        self._sent: Final[dict[int, int]] = {}
        self._undeleted = 0

    async def run(self) -> None:
        """Send what is left and what comes, until cancelled. An outage is waited out."""
        numbered = self._announcements.numbered
        self._announcements.is_announced = True
        try:
            while True:
                try:
                    if not numbered.is_set():
                        await number_behind_the_log(self._database, self._log, self._topic)
                        numbered.set()
                    await self._send()
                    await self._wait()
                except (LogOutage, DatabaseOutage) as outage:
                    _log.debug(
                        "What was decided waits to be announced",
                        extra={"topic": self._topic, "reason": str(outage)},
                    )
                    await asyncio.sleep(_RETRY_AFTER_S)
        finally:
            self._announcements.is_announced = False

    async def send_all(self) -> None:
        """Send and delete what is left now."""
        await self._send()
        await self._delete()

    async def finish(self, *others: Callable[[], Awaitable[object]]) -> None:
        """Do what else an owner has left to write, and send what is left: it stops."""
        try:
            for other in others:
                await other()
            await self.send_all()
        except (LogOutage, DatabaseOutage) as outage:
            # What is left is in the database, and is sent when the owner is back.
            _log.warning(
                "What was decided waits until the server is back",
                extra={"topic": self._topic, "reason": str(outage)},
            )

    async def _send(self) -> None:
        announcements = self._announcements
        has_more = True
        while has_more:
            announcements.written.clear()
            count = announcements.count
            records = await self._database.read(
                partial(select_outgoing, after=self._sent, limit=_BATCH)
            )
            if records:
                await self._append(records)
            has_more = len(records) == _BATCH
            if not has_more:
                # What another replica has deleted meanwhile was appended by that one.
                announcements.announced.grow(count)
            if self._undeleted >= _DELETE_AFTER:
                await self._delete()

    async def _append(self, records: Sequence[OutgoingRecord]) -> None:
        await self._log.append(self._topic, [self._outgoing(record) for record in records])
        for record in records:
            self._sent[record.partition] = record.sequence
        self._undeleted += len(records)

    def _outgoing(self, record: OutgoingRecord) -> Outgoing:
        return Outgoing(record.key, record.value, Origin(self._stream, record.sequence))

    async def _wait(self) -> None:
        # Rows are deleted some time after they were sent, many in one transaction: what is sent
        # again because the process died meanwhile has the same number and is dropped.
        timeout_s = _DELETE_AFTER_S if self._undeleted else _LOOK_AGAIN_S
        try:
            async with asyncio.timeout(timeout_s):
                await self._announcements.written.wait()
        except TimeoutError:
            await self._delete()

    async def _delete(self) -> None:
        if self._undeleted:
            await self._database.write(partial(delete_outgoing, up_to=self._sent))
            self._undeleted = 0
