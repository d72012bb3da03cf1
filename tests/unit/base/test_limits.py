"""Rate limits: so many at once, so many a second, for each key."""

import pytest

from base.clock import ManualClock
from base.limits import RateLimiter, check, network_of
from matrix.errors import LimitExceeded


def used_up(limiter: RateLimiter, key: str) -> int:
    """Act until the limit and return how often that was."""
    for times in range(1000):
        try:
            limiter.check(key)
        except LimitExceeded:
            return times
    pytest.fail("there was no limit")


def test_a_burst_passes_and_the_next_waits() -> None:
    limiter = RateLimiter(2, 5, ManualClock())

    assert used_up(limiter, "alice") == 5
    with pytest.raises(LimitExceeded) as refused:
        limiter.check("alice")

    assert refused.value.retry_after_ms == 500


def test_who_waits_as_told_passes_once() -> None:
    clock = ManualClock()
    limiter = RateLimiter(2, 5, clock)
    used_up(limiter, "alice")

    clock.advance_ms(499)
    assert used_up(limiter, "alice") == 0
    clock.advance_ms(1)
    assert used_up(limiter, "alice") == 1


def test_being_refused_costs_nothing() -> None:
    clock = ManualClock()
    limiter = RateLimiter(1, 1, clock)
    used_up(limiter, "alice")
    for _ in range(100):
        with pytest.raises(LimitExceeded):
            limiter.check("alice")

    clock.advance_ms(1000)

    limiter.check("alice")


def test_a_long_rest_does_not_save_up_more_than_the_burst() -> None:
    clock = ManualClock()
    limiter = RateLimiter(2, 5, clock)
    used_up(limiter, "alice")

    clock.advance_ms(3_600_000)

    assert used_up(limiter, "alice") == 5


def test_each_key_has_its_own_limit() -> None:
    limiter = RateLimiter(1, 3, ManualClock())
    used_up(limiter, "alice")

    assert used_up(limiter, "bob") == 3


def test_an_expensive_act_passes_and_is_paid_off() -> None:
    clock = ManualClock()
    limiter = RateLimiter(1, 3, clock)
    limiter.check("alice", cost=10)

    with pytest.raises(LimitExceeded) as refused:
        limiter.check("alice")

    assert refused.value.retry_after_ms == 8000


def test_only_so_many_keys_are_kept() -> None:
    limiter = RateLimiter(1, 1, ManualClock(), max_keys=2)
    for key in ("alice", "bob", "carol"):
        limiter.check(key)

    assert used_up(limiter, "carol") == 0
    assert used_up(limiter, "bob") == 0
    assert used_up(limiter, "alice") == 1


def test_no_limit_refuses_nothing() -> None:
    limiter = RateLimiter(1, 1, ManualClock())
    check(limiter, "alice")
    with pytest.raises(LimitExceeded):
        check(limiter, "alice")

    for _ in range(100):
        check(None, "alice")


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_limit_that_lets_nothing_through_is_a_mistake(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        RateLimiter(per_second, burst, ManualClock())


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_a_network_of_ipv6_counts_as_one_client(address: str, counts_as: str) -> None:
    assert network_of(address) == counts_as
