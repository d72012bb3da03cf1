"""How often somebody may do something: token buckets, one per key, in memory."""

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

import msgspec

from base.clock import Clock
from matrix.errors import LimitExceeded

_MAX_KEYS: Final = 50_000
_NETWORK_MASK: Final = ~((1 << 64) - 1)


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often something may be done: in a burst, and then at a steady rate."""

    per_second: float
    """How many per second in the long run; above 0."""
    burst: int
    """How many at once; at least 1."""


class RateLimiter:
    """Lets each key act `per_second` times a second, and `burst` times at once.

    Keys that have been quiet longest are forgotten first when there are too many, which can only
    make the limit milder. The count is this process's own.
    """

    __slots__ = ("_buckets", "_burst", "_clock", "_max_keys", "_per_second")

    def __init__(
        self, per_second: float, burst: int, clock: Clock, *, max_keys: int = _MAX_KEYS
    ) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError("a rate limit needs a rate above 0 and a burst of at least 1")
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """For each key its tokens and when they were counted, the quietest key first."""

    def check(self, key: str, cost: int = 1) -> None:
        """Count an act of this key, or raise `LimitExceeded` with the time to wait."""
        now = self._clock.monotonic_s()
        tokens, counted_at = self._buckets.get(key, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - counted_at) * self._per_second)
        # An act that costs more than the burst passes with a full bucket, which it overdraws.
        needed = min(cost, self._burst)
        if tokens < needed:
            wait_s = (needed - tokens) / self._per_second
            raise LimitExceeded(math.ceil(wait_s * 1000))
        self._buckets[key] = (tokens - cost, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)


def limiter_of(rate: Rate | None, clock: Clock) -> RateLimiter | None:
    """Return what keeps a rate; `None` for no limit."""
    return None if rate is None else RateLimiter(rate.per_second, rate.burst, clock)


def check(limiter: RateLimiter | None, key: str) -> None:
    """Count an act if there is a limit at all."""
    if limiter is not None:
        limiter.check(key)


def network_of(address: str) -> str:
    """Return what counts as one client among network addresses: of IPv6 the network of 64 bits.

    Everybody with IPv6 has a whole such network. What is no address counts as it is.
    """
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) & _NETWORK_MASK)}/64"
