"""Access tokens in the memory of a process in which the user API is not."""

from collections.abc import Sequence
from typing import Final

import msgspec

from base.clock import Clock
from base.metrics import Source
from internalapi.userapi import CurrentToken, CurrentTokens, Requester
from logs.log import Log
from matrix.errors import UnknownToken
from requesting.revocations import Revocations
from requesting.token_cache import KnownToken, TokenCache, hash_of_token


class _RememberedToken(KnownToken):
    """A token with the time when it was asked for."""

    __slots__ = ("asked_at_s",)

    def __init__(self, requester: Requester, *, asked_at_s: float) -> None:
        super().__init__(requester, is_locked=False)
        self.asked_at_s: Final = asked_at_s


class RememberedTokens:
    """`Authentication` that asks the user API once, and then hears of revocations from the log.

    What it asks for is read from the database, and kept only if no revocation was heard of
    meanwhile: a token that is revoked is forgotten as soon as the log says so.
    """

    def __init__(
        self,
        current: CurrentTokens,
        log: Log,
        clock: Clock,
        *,
        size: int,
        ask_again_s: float,
        lease_s: float = 0.0,
    ) -> None:
        """Take how many tokens are kept, for how long, and how long a lease lasts (`Revocations`).

        The user API notes when devices were last seen: it has to hear of them now and then.
        """
        self._current = current
        self._clock = clock
        self._ask_again_s = ask_again_s
        self._cache = TokenCache(size)
        self._revocations = Revocations(log, self._cache, "tokens", clock, lease_s=lease_s)

    @property
    def readings(self) -> Sequence[Source]:
        """What was counted, for metrics."""
        return (self._revocations.readings,)

    async def run(self) -> None:
        """Follow revocations until cancelled; without it, nothing is remembered."""
        await self._revocations.run()

    async def query_token(self, *, access_token: str) -> Requester:
        """Return whose token it is (`internalapi.userapi.Authentication`)."""
        token_hash = hash_of_token(access_token)
        known = await self._revocations.known(token_hash)
        now_s = self._clock.monotonic_s()
        if not isinstance(known, _RememberedToken) or known.asked_at_s + self._ask_again_s < now_s:
            generation = self._cache.generation
            token = await self._current.query_current_token(access_token=access_token)
            known = _RememberedToken(_requester_of(token), asked_at_s=now_s)
            self._cache.put(token_hash, known, generation)
        if known.is_expired(self._clock.now_ms()):
            raise UnknownToken("The access token has expired.", soft_logout=True)
        return known.requester


def _requester_of(token: CurrentToken) -> Requester:
    """Return whose token it is, until when; user APIs of older versions say that beside it."""
    return msgspec.structs.replace(token.requester, expires_at_ms=token.expires_at_ms)
