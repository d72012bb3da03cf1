"""Sees to it that what was deleted leaves the files of the databases."""

import logging
from collections.abc import Sequence
from typing import Protocol

from base.database import Database, DatabaseOutage
from base.repeating import repeat


class Sender(Protocol):
    """A consumer, as far as its output that was sent is concerned."""

    async def forget_sent(self) -> None:
        """Delete output that is in the log from the outbox."""
        ...


class Eraser:
    """Overwrites what was deleted, now and then."""

    def __init__(self, senders: Sequence[Sender], databases: Sequence[Database]) -> None:
        self._senders = senders
        self._databases = databases

    async def run(self, interval_s: float) -> None:
        """Erase now and then, until cancelled; after an outage the next time will do."""
        await repeat(
            self.erase,
            pause_s=interval_s,
            outages=(DatabaseOutage,),
            what="erasing what was deleted",
            pause_first=True,
            level=logging.WARNING,
        )

    async def erase(self) -> None:
        """Erase what was deleted before the call. Raises `DatabaseOutage`."""
        for sender in self._senders:
            await sender.forget_sent()
        for database in self._databases:
            await database.erase_deleted()
