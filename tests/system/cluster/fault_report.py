"""The report of a run through all faults: a file for people and one for programs."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

FOLDER: Final = Path(__file__).resolve().parents[3] / "build"
_HEADINGS: Final = {
    "fault": "fault",
    "verdict": "verdict",
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
    verdict: str
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

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost, doubled, reordered or put aside."""
        return not (self.lost or self.doubled or self.reordered or self.rejected)


class Report:
    """`build/faults-report.md` and `build/faults-report.json`, written again after each fault."""

    def __init__(self, balancer: str, replicas: Mapping[str, int]) -> None:
        """Take what the cluster is made of."""
        self._rows: list[Row] = []
        self._under_way: str | None = None
        self._balancer = balancer
        self._replicas = replicas
        self._began_s = time.monotonic()

    def begin(self, fault: str) -> None:
        """Note which fault is tried: if it never ends, the report says so."""
        self._close()
        self._under_way = fault
        self._write()

    def end(self, row: Row) -> None:
        """Take what a fault has done."""
        self._under_way = None
        self._rows.append(row)
        self._write()

    def _close(self) -> None:
        if self._under_way is not None:
            nothing = dict.fromkeys(Row._fields[2:])
            self._rows.append(Row(self._under_way, "BROKE OFF", **nothing))  # type: ignore[arg-type]

    def _write(self) -> None:
        FOLDER.mkdir(exist_ok=True)
        circumstances = self._circumstances()
        values = {**circumstances, "faults": [row._asdict() for row in self._rows]}
        (FOLDER / "faults-report.json").write_bytes(
            orjson.dumps(values, option=orjson.OPT_INDENT_2)
        )
        lines = [f"- {name}: {value}" for name, value in circumstances.items()]
        table = [list(_HEADINGS.values())]
        table += [[_text(value) for value in row] for row in self._rows]
        text = "\n".join(["# Faults", "", *lines, "", _markdown(table)])
        (FOLDER / "faults-report.md").write_text(text)

    def _circumstances(self) -> dict[str, Any]:
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "balancer": self._balancer,
            "replicas": ", ".join(f"{name} {count}" for name, count in self._replicas.items()),
            "cores": os.cpu_count(),
            "load": ", ".join(f"{one:.1f}" for one in os.getloadavg()),
            "seconds": round(time.monotonic() - self._began_s),
            "under way": self._under_way or "nothing",
        }


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
