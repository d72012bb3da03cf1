"""Forgets transaction IDs that no client repeats any more, a few at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from base.clock import Clock
from base.database import Database, DatabaseOutage
from base.repeating import repeat
from components.roomserver.store.events import EventStore
from logs.records.room_input import Transaction

TRANSACTIONS_KEPT_MS: Final = 24 * 3600 * 1000
"""How long a repeated transaction is recognised: clients give up long before."""
_FIRST: Final = Transaction("", "", "")
_AT_ONCE: Final = 500
_BETWEEN_STEPS_S: Final = 0.1
_BETWEEN_PASSES_S: Final = 3600


class TransactionCleaner:
    """Goes through all transactions once an hour, also where nobody sends anything.

    They are looked at in the order of their key: an index on their time would cost each message
    more than this.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Clean, until cancelled."""
        await repeat(
            self.clean,
            pause_s=_BETWEEN_PASSES_S,
            outages=(DatabaseOutage,),
            what="forgetting old transaction IDs",
        )

    async def clean(self) -> None:
        """Forget all that are old, with pauses in which others have their turn."""
        async for _ in self.steps():
            await asyncio.sleep(_BETWEEN_STEPS_S)

    async def steps(self) -> AsyncIterator[None]:
        """Forget all that are old, a few in each step."""
        before_ms = self._clock.now_ms() - TRANSACTIONS_KEPT_MS
        after: Transaction | None = _FIRST
        while after is not None:
            after = await self._step(after, before_ms)
            yield

    async def _step(self, after: Transaction, before_ms: int) -> Transaction | None:
        """Clean among the next ones and return the last of them; `None` where there are no more."""
        key = (after.transaction_id, after.user_id, after.device_id)
        found = await self._database.read(
            lambda connection: EventStore(connection).select_transactions(key, _AT_ONCE)
        )
        old = [one.transaction for one in found if one.timestamp_ms < before_ms]
        if old:
            await self._database.write(
                lambda connection: EventStore(connection).delete_transactions(old)
            )
        return found[-1].transaction if len(found) == _AT_ONCE else None
