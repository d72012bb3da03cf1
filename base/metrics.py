"""Counters and histograms of a component, in a registry that is passed as an argument."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Makes the metrics of one component, named `xylem_<component>_<name>`."""

    def __init__(self, component: str, registry: CollectorRegistry) -> None:
        self._component = component
        self._registry = registry

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return a counter; what is read from it ends in `_total`."""
        return Counter(self._name(name), description, labels, registry=self._registry)

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """Return a value that goes up and down."""
        return Gauge(self._name(name), description, labels, registry=self._registry)

    def seconds(
        self,
        name: str,
        description: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = _SECONDS,
    ) -> Histogram:
        """Return a histogram of durations."""
        return Histogram(
            self._name(name), description, labels, buckets=buckets, registry=self._registry
        )

    def _name(self, name: str) -> str:
        return f"xylem_{self._component}_{name}"


class HttpMetrics:
    """Observes the answers of an application: an `Observer` of `base.http`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        metrics = Metrics("http", registry)
        self._seconds = metrics.seconds(
            "request_seconds", "Time until the answer was sent", ("method", "route", "status")
        )
        self._known: dict[tuple[str, str, int], Histogram] = {}

    def __call__(self, method: str, template: str, status: int, seconds: float) -> None:
        """Count one answer."""
        # Methods come from the network: a label for each of them would be unbounded.
        key = (method if template else "", template, status)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._seconds.labels(key[0], template, str(status))
        known.observe(seconds)


def exposition(registry: CollectorRegistry) -> bytes:
    """Return all metrics of a registry in the text format of Prometheus."""
    return generate_latest(registry)
