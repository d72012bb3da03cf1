"""Follows OutputClientData for tokens that other replicas have revoked."""

import asyncio
import logging
from typing import Final

import msgspec

from components.userapi.token_cache import TokenCache
from logs.log import Log, LogOutage, RecordsLost, Tail
from logs.records.client_data import AccountStatusChanged, TokensRevoked
from logs.topics import OUTPUT_CLIENT_DATA

_log: Final = logging.getLogger(__name__)

_RETRY_AFTER_S: Final = 1.0


async def follow_revocations(log: Log, cache: TokenCache) -> None:
    """Keep tokens in memory only while revocations are heard of, until cancelled."""
    while True:
        try:
            tail = await log.tail(OUTPUT_CLIENT_DATA.name)
            try:
                cache.listen(listening=True)
                await _follow(tail, cache)
            finally:
                cache.listen(listening=False)
                await tail.close()
        except (LogOutage, RecordsLost) as outage:
            _log.debug("Tokens are not kept in memory", extra={"reason": str(outage)})
            await asyncio.sleep(_RETRY_AFTER_S)


async def _follow(tail: Tail, cache: TokenCache) -> None:
    while True:
        for record in await tail.read():
            try:
                value = OUTPUT_CLIENT_DATA.decode(record.value)
            except msgspec.MsgspecError:
                # A kind of a newer version. It may have been a revocation: begin anew.
                cache.listen(listening=False)
                cache.listen(listening=True)
                continue
            if isinstance(value, TokensRevoked):
                cache.forget(value.user_id, value.device_id)
            elif isinstance(value, AccountStatusChanged):
                cache.forget(value.user_id, None)
