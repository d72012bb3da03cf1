"""What a consumer counts of its work."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from base.metrics import BATCH_SIZES, SECONDS, SHORT_SECONDS, Distribution, Family, Reading
from logs.consumer import Message

_LABELS: Final = ("consumer", "topic")

BatchObserver: TypeAlias = Callable[[str, str, Sequence[Message[Any]], float], None]
"""Told of each batch that is committed: consumer, topic, what was processed, seconds."""

LAG: Final = Family(
    "xylem_consumer_lag_records",
    "gauge",
    "Records that are not processed yet, of each partition that this process owns.",
    ("consumer", "topic", "partition"),
)
DELAY: Final = Family(
    "xylem_consumer_delay_seconds",
    "histogram",
    "Age of the first record of a batch when the batch was committed, by the log's clock.",
    _LABELS,
)
BATCH_RECORDS: Final = Family(
    "xylem_consumer_batch_records", "histogram", "Records per batch.", _LABELS
)
BATCH_SECONDS: Final = Family(
    "xylem_consumer_batch_seconds",
    "histogram",
    "Time to process and commit a batch, without waiting for an outage's end.",
    _LABELS,
)
REPEATS: Final = Family(
    "xylem_consumer_repeats_total",
    "counter",
    "Records dropped because their number had been seen: harmless, after a crash or hand-over.",
    _LABELS,
)
GAPS: Final = Family(
    "xylem_consumer_gaps_total",
    "counter",
    "Records whose number was higher than expected. Never normal: something is missing.",
    _LABELS,
)
REJECTED: Final = Family(
    "xylem_consumer_rejected_total",
    "counter",
    "Records put into the topic Rejected because they cannot be processed.",
    _LABELS,
)
FAILURES: Final = Family(
    "xylem_consumer_failures_total",
    "counter",
    "Unexpected exceptions; each was followed by another try.",
    _LABELS,
)
OUTAGES: Final = Family(
    "xylem_consumer_outages_total",
    "counter",
    "Tries that ended because the log or the database was away.",
    _LABELS,
)
FENCED: Final = Family(
    "xylem_consumer_fenced_total",
    "counter",
    "Batches given up because another instance had moved the position.",
    _LABELS,
)
PENDING_OUTPUT: Final = Family(
    "xylem_consumer_pending_output_batches",
    "gauge",
    "Committed batches whose output is not in the log yet.",
    _LABELS,
)
UNKNOWN_RECORDS: Final = Family(
    "xylem_consumer_unknown_records",
    "gauge",
    "1 for a partition that stands still at a record of a kind that this version does not know.",
    ("consumer", "topic", "partition", "kind"),
)
FAMILIES: Final = (
    LAG,
    DELAY,
    BATCH_RECORDS,
    BATCH_SECONDS,
    REPEATS,
    GAPS,
    REJECTED,
    FAILURES,
    OUTAGES,
    FENCED,
    PENDING_OUTPUT,
    UNKNOWN_RECORDS,
)


class ConsumerCounts:
    """What a consumer has counted since it was made, for metrics."""

    def __init__(self) -> None:
        self.repeats = 0
        """Records dropped because their number had been seen."""
        self.gaps = 0
        """Records whose number was higher than expected: something is missing before them."""
        self.rejected = 0
        self.failures = 0
        """Unexpected exceptions of the processor."""
        self.outages = 0
        self.fenced = 0
        self.observe: BatchObserver | None = None
        """Hears of each batch."""
        self.batch_records: Final = Distribution(BATCH_SIZES)
        self.batch_seconds: Final = Distribution(SHORT_SECONDS)
        self.delay_seconds: Final = Distribution(SECONDS)

    def readings(self, consumer: str, topic: str) -> Iterator[Reading]:
        """Give what was counted."""
        labels = (consumer, topic)
        yield Reading(DELAY, labels, self.delay_seconds)
        yield Reading(BATCH_RECORDS, labels, self.batch_records)
        yield Reading(BATCH_SECONDS, labels, self.batch_seconds)
        yield Reading(REPEATS, labels, self.repeats)
        yield Reading(GAPS, labels, self.gaps)
        yield Reading(REJECTED, labels, self.rejected)
        yield Reading(FAILURES, labels, self.failures)
        yield Reading(OUTAGES, labels, self.outages)
        yield Reading(FENCED, labels, self.fenced)
