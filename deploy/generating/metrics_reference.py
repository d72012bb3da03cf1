"""Writes docs/metrics.md from the families that the code declares."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from base.database import timed
from base.metrics import Family, http, readings
from deploy.catalogue import CATALOGUE
from deploy.process import trimming
from internalapi.transport import call_metrics
from logs import append_metrics, tail_reader
from logs.consumer import counts as consumer_counts

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

SECTIONS: Final[Sequence[tuple[str, Sequence[Family]]]] = (
    ("Requests", http.FAMILIES),
    ("Consumers", consumer_counts.FAMILIES),
    ("Log", (*append_metrics.FAMILIES, *trimming.FAMILIES)),
    ("Readers of memory", tail_reader.FAMILIES),
    ("Databases", timed.FAMILIES),
    ("Calls between processes", call_metrics.FAMILIES),
    *((one.title, families) for one in CATALOGUE if (families := one.families())),
    ("Caches", readings.FAMILIES),
)

_HEAD: Final = """\
# Metrics

This page is made from the code by `python -m deploy.generating.metrics_reference`.

Every process shows its own numbers for Prometheus under `/metrics`, at listeners with the API
`metrics`. Names begin with `xylem_` and end in the unit; counters end in `_total`; histograms have
`_bucket`, `_sum` and `_count`. No label ever holds a room, a user or an address. A family is shown
once there is something to show. Beside these there are the usual `process_…` (memory, CPU time,
open files) and `python_info`.

The lag is measured when Prometheus asks, in each process for the partitions that it owns: the sum
over all processes is the lag of the consumer.
"""


def metrics_page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for title, families in SECTIONS:
        rows = "\n".join(map(_row, families))
        parts.append(
            f"## {title}\n\n| metric | kind | labels | |\n|---|---|---|---|\n{rows}\n",
        )
    return "\n".join(parts)


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.name}` | {family.kind} | {labels} | {family.description} |"


if __name__ == "__main__":
    PAGE.write_text(metrics_page(), encoding="utf-8")
