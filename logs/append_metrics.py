"""What a log counts of its appends."""

from collections.abc import Iterator
from typing import Final

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
    "Appends that the log did not confirm; they were tried again by whoever needs them.",
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

    def failed(self, topic: str) -> None:
        """Count an append that was not confirmed."""
        self._of(topic).outages += 1

    def readings(self) -> Iterator[Reading]:
        """Give what was counted."""
        for topic, counts in self._topics.items():
            yield Reading(APPEND_SECONDS, (topic,), counts.seconds)
            yield Reading(APPENDED_RECORDS, (topic,), counts.records)
            yield Reading(APPENDED_BYTES, (topic,), counts.bytes)
            yield Reading(APPEND_OUTAGES, (topic,), counts.outages)
