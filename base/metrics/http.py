"""How many requests came, and how long their answers took."""

from collections.abc import Iterator
from typing import Final

from base.metrics.distribution import Distribution
from base.metrics.readings import Family, Reading

REQUEST_SECONDS: Final = Family(
    "xylem_http_request_seconds",
    "histogram",
    "Time from a request's head until its answer was sent. Requests that no route takes have an "
    "empty route; calls from other processes of the server come in under /internal/.",
    ("method", "route", "status"),
)
FAMILIES: Final = (REQUEST_SECONDS,)


class HttpMetrics:
    """Observes the answers of an application: an `Observer` of `base.http`."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], Distribution] = {}

    def __call__(
        self, method: str, template: str, status: int, seconds: float, _asked: str = ""
    ) -> None:
        """Count one answer."""
        # Methods come from the network: a label for each of them would be unbounded.
        key = (method if template else "", template, status)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Distribution()
        known.observe(seconds)

    def readings(self) -> Iterator[Reading]:
        """Give the times per method, route and status."""
        for (method, template, status), times in self._known.items():
            yield Reading(REQUEST_SECONDS, (method, template, str(status)), times)
