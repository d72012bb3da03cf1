"""Readings of what parts of a process have counted, taken and written when Prometheus asks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Final, Literal, NamedTuple, TypeAlias

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


_ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sources:
    """All sources of a process, read together, so that a family is shown once."""

    def __init__(self) -> None:
        self._sources: list[Source] = []

    def add(self, source: Source) -> None:
        """Read this source, too, from now on."""
        self._sources.append(source)

    def of(self, family: Family) -> Iterator[Reading]:
        """Give the present readings of one family."""
        return (one for source in self._sources for one in source() if one.family is family)

    def exposition(self) -> bytes:
        """Return the present readings in Prometheus' text format.

        It is written on the event loop, with a hundred routes and more: prometheus-client takes
        20 times as long for it.
        """
        families: dict[str, list[Reading]] = {}
        for source in self._sources:
            for reading in source():
                families.setdefault(reading.family.name, []).append(reading)
        lines: list[str] = []
        for name, readings in families.items():
            family = readings[0].family
            lines.append(f"# HELP {name} {family.description}")
            lines.append(f"# TYPE {name} {family.kind}")
            for reading in readings:
                _write(lines, reading)
        lines.append("")
        return "\n".join(lines).encode()


def _write(lines: list[str], reading: Reading) -> None:
    family, values, value = reading
    name = family.name
    labels = ",".join(
        f'{label}="{text.translate(_ESCAPED)}"'
        for label, text in zip(family.labels, values, strict=True)
    )
    shown = f"{{{labels}}}" if labels else ""
    if not isinstance(value, Distribution):
        lines.append(f"{name}{shown} {value}")
        return
    start = f'{name}_bucket{{{labels}{"," if labels else ""}le="'
    lines.extend([f'{start}{bound}"}} {reached}' for bound, reached in value.cumulative()])
    lines.append(f"{name}_count{shown} {value.count}")
    lines.append(f"{name}_sum{shown} {value.sum}")


def sizes_of(component: str, caches: Mapping[str, Sized]) -> Source:
    """Return the source that tells how many entries each of these caches holds."""

    def read() -> Iterator[Reading]:
        for cache, entries in caches.items():
            yield Reading(CACHE_ENTRIES, (component, cache), len(entries))

    return read
