"""The report of a run through all faults: a file for people and one for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

FOLDER: Final = Path(__file__).resolve().parents[3] / "build"
_HEADINGS: Final = {
    "fault": "fault",
    "silence_s": "silence (s)",
    "takeover_s": "takeover (s)",
    "recovery_s": "recovery (s)",
    "answered": "answered",
    "repeated": "repeated",
    "lost": "lost",
    "doubled": "doubled",
    "reordered": "reordered",
    "rejected": "rejected",
    "log_lines": "log lines",
}


class Row(NamedTuple):
    """What one fault has done."""

    fault: str
    silence_s: float
    """The longest time in which one of the rooms had no send answered."""
    takeover_s: float | None
    """From the beginning of the fault until something new in each room had reached everybody
    through other replicas."""
    recovery_s: float
    """From the end of the fault until something new in each room had reached everybody."""
    answered: int
    repeated: int
    lost: int
    doubled: int
    reordered: int
    rejected: int
    log_lines: int
    """Warnings and errors of all components."""


def write(rows: Sequence[Row]) -> None:
    """Write `build/faults-report.json` and `build/faults-report.md`."""
    FOLDER.mkdir(exist_ok=True)
    values = [row._asdict() for row in rows]
    (FOLDER / "faults-report.json").write_bytes(orjson.dumps(values, option=orjson.OPT_INDENT_2))
    table = [list(_HEADINGS.values())]
    table += [[_text(value) for value in row] for row in rows]
    (FOLDER / "faults-report.md").write_text(_markdown(table))


def _text(value: Any) -> str:
    if value is None:
        return "–"  # noqa: RUF001 (a dash)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _markdown(table: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    lines = (
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    )
    return "".join(f"| {line} |\n" for line in lines)
