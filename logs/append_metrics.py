"""What a log counts of its appends."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from base.metrics import SECONDS, Distribution, Family, Reading

APPEND_SECONDS: Final = Family(
    "xylem_log_append_seconds",
    "histogram",
    "Time from an append until its records were durable; includes waiting for room.",
    ("topic",),
)
APPENDED_RECORDS: Final = Family(
    "xylem_log_appended_records_total", "counter", "Records appended.", ("topic",)
)
APPENDED_BYTES: Final = Family(
    "xylem_log_appended_bytes_total", "counter", "Bytes of keys and values appended.", ("topic",)
)
APPEND_OUTAGES: Final = Family(
    "xylem_log_append_outages_total",
    "counter",
    "Appends that the log did not confirm; the component that needs them tries again.",
    ("topic",),
)
QUEUED_BYTES: Final = Family(
    "xylem_log_queued_bytes", "gauge", "Bytes that wait to become durable."
)
KEPT_BYTES: Final = Family(
    "xylem_log_kept_bytes", "gauge", "Size of the embedded log's files; not shown for Kafka."
)
FAMILIES: Final = (
    APPEND_SECONDS,
    APPENDED_RECORDS,
    APPENDED_BYTES,
    APPEND_OUTAGES,
    QUEUED_BYTES,
    KEPT_BYTES,
)


AppendObserver: TypeAlias = Callable[[str, int, float, str], None]
"""Told of each append: topic, records, seconds, and why it was an outage or an empty string; in the
context of who appends."""


class _TopicCounts:
    """The appends to one topic."""

    __slots__ = ("bytes", "outages", "records", "seconds")

    def __init__(self) -> None:
        self.records = 0
        self.bytes = 0
        self.outages = 0
        self.seconds = Distribution(SECONDS)


class AppendCounts:
    """The appends of this process, by topic."""

    def __init__(self) -> None:
        self._topics: dict[str, _TopicCounts] = {}
        self.observe: AppendObserver | None = None
        """Hears of each append."""

    def _of(self, topic: str) -> _TopicCounts:
        counts = self._topics.get(topic)
        if counts is None:
            counts = self._topics[topic] = _TopicCounts()
        return counts

    def appended(self, topic: str, records: int, size: int, seconds: float) -> None:
        """Count an append that is durable."""
        counts = self._of(topic)
        counts.records += records
        counts.bytes += size
        counts.seconds.observe(seconds)
        if self.observe is not None:
            self.observe(topic, records, seconds, "")

    def failed(self, topic: str, records: int, seconds: float, outage: Exception) -> None:
        """Count an append that was not confirmed."""
        self._of(topic).outages += 1
        if self.observe is not None:
            self.observe(topic, records, seconds, str(outage))

    def readings(self) -> Iterator[Reading]:
        """Give what was counted."""
        for topic, counts in self._topics.items():
            yield Reading(APPEND_SECONDS, (topic,), counts.seconds)
            yield Reading(APPENDED_RECORDS, (topic,), counts.records)
            yield Reading(APPENDED_BYTES, (topic,), counts.bytes)
            yield Reading(APPEND_OUTAGES, (topic,), counts.outages)
