"""Deletes sessions and tokens that have expired, also where nobody asks for new ones."""

from functools import partial
from typing import Final

from base.clock import Clock
from base.database import Database, DatabaseOutage
from base.repeating import repeat
from components.userapi.store.expired import KNOWN_FOR_MS, delete_expired

_BETWEEN_PASSES_S: Final = 3600


class Expiry:
    """Looks once an hour; each transaction deletes a few rows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Delete what expires, until cancelled."""
        await repeat(
            self.delete_expired,
            pause_s=_BETWEEN_PASSES_S,
            outages=(DatabaseOutage,),
            what="deleting what has expired",
        )

    async def delete_expired(self) -> None:
        """Delete all that is of no use any more when it is called."""
        now_ms = self._clock.now_ms()
        for table in KNOWN_FOR_MS:
            while await self._database.write(partial(delete_expired, table=table, now_ms=now_ms)):
                pass
