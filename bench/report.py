"""Tables for the eye, JSON for the record."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.stage import Outcome
from bench.targets import RSS_GOAL_MB, RSS_RATIO, targets_of

RESULTS: Final = Path(__file__).resolve().parent / "results"
CLIENT_CPU_LIMIT_PERCENT: Final = 70.0

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row], left: int = 2) -> str:
    """Return rows as aligned text, the first `left` columns flush left."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row: Row) -> str:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])


def figure(value: float) -> str:
    """Return a figure with three significant digits, or whole when it is large."""
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 (three digits stand before the point)
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figures(outcomes: Sequence[Outcome]) -> str:
    """Return the table of what was measured, a row for each phase."""
    head = (
        *("scenario", "server", "ops", "rate/s", "p50 ms", "p95 ms", "p99 ms"),
        *("cpu-s/1000", "written KB", "rss MB", "start s", "client cpu-s", "client %", "errors"),
        *("checked", "wrong", "missing", "doubled", "reordered"),
    )
    rows = []
    for outcome in outcomes:
        found = outcome.findings
        faults = (found.checked, found.wrong, found.missing, found.doubled, found.reordered)
        if not outcome.phases:
            blank = ["-"] * 11
            rows.append([outcome.scenario, outcome.server, *blank, "FAILED", *map(str, faults)])
        for name, metrics in outcome.phases.items():
            keys = ("operations", "rate_per_s", "p50_ms", "p95_ms", "p99_ms")
            costs = ("cpu_s_per_1000", "written_kb_each")
            measured = [figure(metrics[key]) for key in keys + costs]
            process = [figure(outcome.rss_mb), figure(outcome.start_s)]
            load = [figure(metrics["client_cpu_s"]), figure(metrics["client_cpu_percent"])]
            errors = "FAILED" if outcome.failure else figure(metrics["errors"])
            label = f"{outcome.scenario}/{name}" if len(outcome.phases) > 1 else outcome.scenario
            rows.append(
                [label, outcome.server, *measured, *process, *load, errors, *map(str, faults)]
            )
    return table(head, rows)


def remarks(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what a reader of the table has to know: failures, errors, faults, a slow client."""
    lines = []
    for outcome in outcomes:
        where = f"{outcome.scenario} on {outcome.server}"
        if outcome.failure:
            lines.append(f"{where} FAILED: {outcome.failure}")
        if outcome.errors:
            lines.append(f"{where}: {outcome.errors} errors, for example:")
            lines += [f"    {example}" for example in outcome.error_examples]
        if not outcome.findings.clean:
            lines.append(f"{where}: events not as they should be, for example:")
            lines += [f"    {example}" for example in outcome.findings.examples]
        for name, metrics in outcome.phases.items():
            percent = metrics["client_cpu_percent"]
            if percent > CLIENT_CPU_LIMIT_PERCENT:
                lines.append(
                    f"{where}, {name}: the load generator used {percent:.0f} % of a core; "
                    "the figures may be its limit, not the server's"
                )
    return lines


def ratios(outcomes: Sequence[Outcome], subject: str, other: str) -> tuple[str, bool]:
    """Return the table of ratios with their targets, and whether all foundations are met."""
    by_key = {(outcome.scenario, outcome.server): outcome for outcome in outcomes}
    rows: list[Row] = []
    passed = True
    for scenario in dict.fromkeys(outcome.scenario for outcome in outcomes):
        ours = by_key.get((scenario, subject))
        theirs = by_key.get((scenario, other))
        if ours is None or theirs is None or not ours.phases or not theirs.phases:
            rows.append([scenario, "-", "-", "-", "-", "-", "FAIL", "-", "-"])
            passed = False
            continue
        for row, good in _ratio_rows(ours, theirs):
            rows.append(row)
            passed = passed and good
        if not ours.clean:
            faults = "failed" if ours.failure else "errors" if ours.errors else "events"
            rows.append([scenario, faults, "-", "-", "-", "none", "FAIL", "-", "-"])
            passed = False
    head = ("scenario", "figure", subject, other, "ratio", "needed", "found.", "goal", "goal met")
    return table(head, rows), passed


def _ratio_rows(ours: Outcome, theirs: Outcome) -> list[tuple[Row, bool]]:
    rows: list[tuple[Row, bool]] = []
    for target in targets_of(ours.scenario, ours.phases):
        mine = ours.phases[target.phase][target.metric]
        other = theirs.phases.get(target.phase, {}).get(target.metric, 0.0)
        ratio = mine / other if other else 0.0
        good = bool(other) and bool(mine) and target.passes(ratio)
        sign = "≥" if target.direction == "at least" else "≤"
        reached = target.reaches_goal(mine)
        rows.append(
            (
                [
                    *(f"{ours.scenario}/{target.phase}", target.metric),
                    *(figure(mine), figure(other), as_factor(ratio)),
                    *(f"{sign} {as_factor(target.foundation)}", "pass" if good else "FAIL"),
                    "-" if target.goal is None else f"{sign} {figure(target.goal)}",
                    "-" if reached is None else ("yes" if reached else "no"),
                ],
                good,
            )
        )
    ratio = ours.rss_mb / theirs.rss_mb if theirs.rss_mb else 0.0
    good = 0.0 < ratio <= RSS_RATIO
    rows.append(
        (
            [
                *(ours.scenario, "rss_mb", figure(ours.rss_mb), figure(theirs.rss_mb)),
                *(as_factor(ratio), f"≤ {as_factor(RSS_RATIO)}", "pass" if good else "FAIL"),
                *(f"≤ {figure(RSS_GOAL_MB)}", "yes" if ours.rss_mb <= RSS_GOAL_MB else "no"),
            ],
            good,
        )
    )
    return rows


def as_factor(ratio: float) -> str:
    """Return a ratio as a reader thinks of it: 12x, or 1/12."""
    if ratio == 0:
        return "-"
    return f"{ratio:.3g}x" if ratio >= 1 else f"1/{1 / ratio:.3g}"


def write_json(
    outcomes: Sequence[Outcome], settings: Mapping[str, Any], results: Path = RESULTS
) -> Path:
    """Write every single outcome with the circumstances and return the file's path."""
    measured = {"outcomes": [asdict(outcome) for outcome in outcomes]}
    return write_record("-".join(settings["servers"]), settings, measured, results)


def write_record(
    name: str, settings: Mapping[str, Any], measured: Mapping[str, Any], results: Path = RESULTS
) -> Path:
    """Write what was measured with the circumstances and return the file's path."""
    now = datetime.now(UTC)
    results.mkdir(exist_ok=True)
    path = results / f"{now:%Y%m%dT%H%M%SZ}-{name}.json"
    record = {
        "at": now.isoformat(),
        "commit": commit(),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "settings": dict(settings),
        **measured,
    }
    path.write_text(json.dumps(record, indent=1, default=str) + "\n")
    return path


def commit() -> str | None:
    """Return the checkout's commit, marked when files differ from it; None outside of one."""
    found = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None
