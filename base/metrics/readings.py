"""Readings of what parts of a process have counted, taken when Prometheus asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Final, Literal, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from base.metrics.distribution import Distribution


class Family(NamedTuple):
    """A metric as docs/metrics.md lists it: one name, one meaning, a few values per label."""

    name: str
    """With its unit; counters end in `_total`."""
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """The value of one family for one set of labels, at the time of looking."""

    family: Family
    labels: tuple[str, ...]
    value: float | Distribution


Source: TypeAlias = Callable[[], Iterable[Reading]]
"""Tells its readings when asked; called on the event loop, must not block."""

CACHE_ENTRIES: Final = Family(
    "xylem_cache_entries", "gauge", "Entries that a cache holds.", ("component", "cache")
)
FAMILIES: Final = (CACHE_ENTRIES,)


class Sources(Collector):
    """All sources of one registry, read together, so that a family is shown once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sources: list[Source] = []
        registry.register(self)

    def add(self, source: Source) -> None:
        """Read this source, too, from now on."""
        self._sources.append(source)

    def collect(self) -> Iterator[Metric]:
        """Give the present readings in Prometheus' form."""
        families: dict[str, tuple[Family, list[Reading]]] = {}
        for source in self._sources:
            for reading in source():
                family = reading.family
                families.setdefault(family.name, (family, []))[1].append(reading)
        for family, readings in families.values():
            yield _metric(family, readings)


def _metric(family: Family, readings: Iterable[Reading]) -> Metric:
    name, kind, description, labels = family
    if kind == "histogram":
        histogram = HistogramMetricFamily(name, description, labels=labels)
        for reading in readings:
            if isinstance(reading.value, Distribution):
                value = reading.value
                histogram.add_metric(reading.labels, value.cumulative(), value.sum)
        return histogram
    shown = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(
        name, description, labels=labels
    )
    for reading in readings:
        if not isinstance(reading.value, Distribution):
            shown.add_metric(reading.labels, reading.value)
    return shown


def sizes_of(component: str, caches: Mapping[str, Sized]) -> Source:
    """Return the source that tells how many entries each of these caches holds."""

    def read() -> Iterator[Reading]:
        for cache, entries in caches.items():
            yield Reading(CACHE_ENTRIES, (component, cache), len(entries))

    return read


def exposition(registry: CollectorRegistry) -> bytes:
    """Return all metrics of a registry in the text format of Prometheus."""
    return generate_latest(registry)
