"""Follows OutputClientData for tokens that other replicas have revoked.

Who hears of a revocation only by reading is late by some milliseconds. So that no answered
revocation is overlooked, memory is trusted for the time of a lease: it counts from when the log was
last asked how far it is written, and all up to there was heard of. A revocation is answered when it
has been in the log for as long as a lease lasts. By then each memory has heard of it, or is not
trusted. That costs a request a look at the clock, and a process a question every half lease.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from base.clock import Clock
from base.metrics import Source
from logs.log import Log, LogOutage, Record
from logs.records.client_data import AccountStatusChanged, OutputClientData, TokensRevoked
from logs.tail_reader import Bounds, Decoding, TailReader, from_the_end
from logs.topics import OUTPUT_CLIENT_DATA
from requesting.token_cache import KnownToken, TokenCache

_PATIENCE_S: Final = 1.0
_USED_LATELY_S: Final = 10.0
"""For how long after a request the lease is renewed before it is needed again."""


class Revocations:
    """Keeps tokens in memory only while revocations are heard of, and says how lately they were."""

    def __init__(
        self, log: Log, cache: TokenCache, reader: str, clock: Clock, *, lease_s: float
    ) -> None:
        """Take the reader's name among what is counted, and how long a lease lasts.

        With 0, memory is trusted as it is: for where nobody else can revoke anything.
        """
        self._log: Final = log
        self._cache: Final = cache
        self._clock: Final = clock
        self._lease_s: Final = lease_s
        self._heard: dict[int, int] = {}
        self._has_heard_more: Final = asyncio.Event()
        self._confirmed_s = float("-inf")
        self._used_s = float("-inf")
        self._tail: Final = TailReader(
            log,
            Decoding(reader, OUTPUT_CLIENT_DATA),
            self._take,
            starts=self._start,
            begin=cache.listen,
            pause=cache.stop,
        )

    @property
    def readings(self) -> Source:
        """What was counted, for metrics."""
        return self._tail.readings

    async def run(self) -> None:
        """Follow revocations until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tail.run())
            if self._lease_s:
                tasks.create_task(self._renew())

    async def known(self, token_hash: bytes) -> KnownToken | None:
        """Return what memory has of a token; the log is asked first where that has to be."""
        known = self._cache.get(token_hash)
        if known is not None and not self._is_current():
            known = self._cache.get(token_hash) if await self._confirm() else None
        return known

    def _is_current(self) -> bool:
        """Whether memory may be trusted without asking the log."""
        if not self._lease_s:
            return True
        self._used_s = self._clock.monotonic_s()
        return self._used_s - self._confirmed_s <= self._lease_s

    async def _confirm(self) -> bool:
        """Ask the log, and return whether all was heard of that it had when it was asked."""
        asked_s = self._clock.monotonic_s()
        topic = OUTPUT_CLIENT_DATA.name
        try:
            async with asyncio.timeout(_PATIENCE_S):
                ends = (await self._log.ends([topic]))[topic]
                while any(end > self._heard.get(one, 0) for one, end in enumerate(ends)):
                    self._has_heard_more.clear()
                    await self._has_heard_more.wait()
        except (TimeoutError, LogOutage):
            return False
        self._confirmed_s = max(self._confirmed_s, asked_s)
        return True

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 2)
            if self._clock.monotonic_s() - self._used_s < _USED_LATELY_S:
                await self._confirm()

    def _start(self, bounds: Bounds) -> Mapping[int, int]:
        self._heard = from_the_end(bounds)
        return dict(self._heard)

    def _take(self, records: Sequence[tuple[Record, OutputClientData | None]]) -> None:
        for record, value in records:
            if value is None:
                # It may have been a revocation, of anybody.
                self._cache.forget_all()
            elif isinstance(value, TokensRevoked):
                self._cache.forget(value.user_id, value.device_id)
            elif isinstance(value, AccountStatusChanged):
                self._cache.forget(value.user_id, None)
            self._heard[record.partition] = record.offset + 1
        self._has_heard_more.set()
