"""How many calls of other processes there were, and how long they took."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from base.metrics import Distribution, Family, Reading

CALL_SECONDS: Final = Family(
    "xylem_internalapi_call_seconds",
    "histogram",
    "Time of a call of another process, repetitions included. `outcome` is `ok`, `refused` (an "
    "error that the API declares), `unavailable` (not reached, not answered, too late) or "
    "`failed` (a bug on the other side, or the call was given up).",
    ("api", "method", "outcome"),
)
FAMILIES: Final = (CALL_SECONDS,)

CallObserver: TypeAlias = Callable[[str, str, str, float], None]
"""Told of each call: API, method, outcome, seconds; in the context of who calls."""


class CallMetrics:
    """The calls of all API clients of a process."""

    def __init__(self, observe: CallObserver | None = None) -> None:
        self._known: dict[tuple[str, str, str], Distribution] = {}
        self._observe = observe

    def observe(self, api: str, method: str, outcome: str, seconds: float) -> None:
        """Count a call."""
        key = (api, method, outcome)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Distribution()
        known.observe(seconds)
        if self._observe is not None:
            self._observe(api, method, outcome, seconds)

    def readings(self) -> Iterator[Reading]:
        """Give the times by API, method and outcome."""
        for labels, times in self._known.items():
            yield Reading(CALL_SECONDS, labels, times)
