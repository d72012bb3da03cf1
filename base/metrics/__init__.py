"""What a process counts and measures, shown to Prometheus.

Nothing is global: parts count in plain numbers of their own, and whoever puts a process together
collects them in `Sources`. Text is made only when somebody looks. All names begin with `xylem_`;
docs/metrics.md lists them.
"""

from base.metrics.distribution import BATCH_SIZES, SECONDS, SHORT_SECONDS, Distribution
from base.metrics.http import HttpMetrics
from base.metrics.readings import (
    CACHE_ENTRIES,
    Family,
    Reading,
    Source,
    Sources,
    sizes_of,
)

__all__ = [
    "BATCH_SIZES",
    "CACHE_ENTRIES",
    "SECONDS",
    "SHORT_SECONDS",
    "Distribution",
    "Family",
    "HttpMetrics",
    "Reading",
    "Source",
    "Sources",
    "sizes_of",
]
