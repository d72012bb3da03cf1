"""The timers of typing: whose time is over is written to InputTyping, where the processor reads it.

A timer itself changes and announces nothing, so that an instance that has lost its partition, or
that fires twice, does no harm.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from base.clock import Clock
from base.database import Database, DatabaseOutage
from components.eduserver.rooms import TypingPartition, Typist
from components.eduserver.settings import EduServerSettings
from components.eduserver.store import select_typing
from logs.log import Log, LogOutage, Outgoing
from logs.records.typing import TypingExpired
from logs.topics import INPUT_TYPING

logger = logging.getLogger(__name__)

_NEVER_MS: Final = 2**63
_BETWEEN_LOOKS_S: Final = 0.2
_TRY_AGAIN_S: Final = 1.0
_CLOCKS_DIFFER_MS: Final = 10_000


class TypingExpiry:
    """Looks at all who type when the first of them has no time left; without any it sleeps."""

    def __init__(
        self,
        *,
        log: Log,
        database: Database,
        clock: Clock,
        settings: EduServerSettings,
        is_owned: Callable[[int], bool],
    ) -> None:
        self._log = log
        self._database = database
        self._clock = clock
        self._longest_ms = settings.max_typing_s * 1000 + _CLOCKS_DIFFER_MS
        self._is_owned = is_owned
        self._partitions: dict[int, TypingPartition] = {}
        self._told: set[Typist] = set()
        """Whose expiry is written, and not processed yet."""
        self._next_ms = _NEVER_MS
        self._changed = asyncio.Event()

    def watch(self, partition: int) -> TypingPartition:
        """Return the rooms of a partition that was just taken over, which is watched from now."""
        rooms = self._partitions[partition] = TypingPartition()
        self._changed.set()
        return rooms

    def notice(self, deadline_ms: int) -> None:
        """Look again in time for this deadline."""
        if deadline_ms < self._next_ms:
            self._changed.set()

    async def run(self) -> None:
        """Write expiries as they come, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._look()
            except (LogOutage, DatabaseOutage) as outage:
                logger.debug("typing does not expire now", extra={"outage": str(outage)})
                await asyncio.sleep(_TRY_AGAIN_S)
                continue
            await asyncio.sleep(_BETWEEN_LOOKS_S)
            await self._wait()

    async def _wait(self) -> None:
        if self._next_ms == _NEVER_MS:
            await self._changed.wait()
            return
        delay_s = (self._next_ms - self._clock.now_ms()) / 1000
        try:
            await asyncio.wait_for(self._changed.wait(), max(delay_s, 0))
        except TimeoutError:
            return

    async def _look(self) -> None:
        """Write whose time is over, and find out when the next one's is."""
        # Whoever comes while this looks is noticed.
        self._next_ms = _NEVER_MS
        typists = await self._typists()
        now_ms = self._clock.now_ms()
        # A deadline too far ahead was made by a clock that has been put back since.
        due = {one for one in typists if not now_ms < one.deadline_ms <= now_ms + self._longest_ms}
        fresh = [one for one in typists if one in due and one not in self._told]
        if fresh:
            await self._write(fresh)
        self._told = due
        self._next_ms = min(
            (one.deadline_ms for one in typists if one not in due), default=_NEVER_MS
        )

    async def _typists(self) -> list[Typist]:
        """Return all who type in the partitions that are owned here."""
        found: list[Typist] = []
        for partition, rooms in list(self._partitions.items()):
            if not self._is_owned(partition):
                del self._partitions[partition]
                continue
            if not rooms.is_loaded:
                await self._load(partition, rooms)
            found.extend(rooms.all())
        return found

    async def _load(self, partition: int, rooms: TypingPartition) -> None:
        stored = await self._database.read(lambda connection: select_typing(connection, partition))
        # The processor may have loaded and changed it while this was read.
        if not rooms.is_loaded:
            rooms.load(stored)

    async def _write(self, typists: Sequence[Typist]) -> None:
        await self._log.append(
            INPUT_TYPING.name,
            [
                Outgoing(
                    one.room_id,
                    INPUT_TYPING.encode(TypingExpired(one.room_id, one.user_id, one.deadline_ms)),
                )
                for one in typists
            ],
        )
