"""The command line: `python -m bench`, `… compare` beside Synapse, `… cluster` beside itself."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from bench import cluster, report
from bench.measure import filesystem_of
from bench.runner import Plan, medians, run_plan
from bench.scenarios import SCENARIOS
from bench.servers import SERVERS
from bench.servers.synapse import installed_python, version
from bench.stage import Outcome

T = TypeVar("T")

QUICK_SCALE = 0.2
MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs"})


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench", description="Load measurements.")
    made.add_argument("mode", nargs="?", choices=["run", "compare", "cluster"], default="run")
    made.add_argument(
        "--scenario", action="append", choices=list(SCENARIOS), help="repeatable; default: all"
    )
    made.add_argument(
        "--server", choices=list(SERVERS), default="xylem", help="what `run` measures"
    )
    made.add_argument("--quick", action="store_true", help="about a fifth of the sizes")
    made.add_argument("--scale", type=positive, default=1.0, help="factor on the sizes")
    made.add_argument("--rounds", type=count, default=1, help="repeat and take medians")
    made.add_argument("--data-dir", type=Path, help="where the data goes (a real disk)")
    made.add_argument(
        "--strict", action="store_true", help="`compare`: a missed foundation is exit code 1, too"
    )
    return made


def positive(text: str) -> float:
    """Return a positive factor; raises ArgumentTypeError."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be positive")
    return value


def count(text: str) -> int:
    """Return a positive whole number; raises ArgumentTypeError."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main() -> int:
    """Run what the command line asks for; 1 when an event was wrong or a scenario failed."""
    arguments = parser().parse_args()
    if arguments.mode == "cluster":
        return measure_cluster(arguments)
    comparing = arguments.mode == "compare"
    plan = Plan(
        servers=["xylem", "synapse"] if comparing else [arguments.server],
        scenarios=arguments.scenario or list(SCENARIOS),
        scale=arguments.scale * (QUICK_SCALE if arguments.quick else 1.0),
        rounds=arguments.rounds,
        data_dir=arguments.data_dir,
    )
    settings: dict[str, Any] = {
        "servers": plan.servers,
        "scenarios": plan.scenarios,
        "scale": plan.scale,
        "rounds": plan.rounds,
        "load_average": os.getloadavg(),
        "filesystem": filesystem_of(plan.data_dir or Path(tempfile.gettempdir())),
    }
    if settings["filesystem"] in MEMORY_FILESYSTEMS:
        print("The data lies in memory, where nothing is durable: name a disk by --data-dir.")
    if "synapse" in plan.servers:
        installed_python()
        settings["synapse_version"] = version()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes = runner.run(interruptible(run_plan(plan)))
    path = report.write_json(outcomes, settings)
    return conclude(outcomes, plan, path, strict=comparing and arguments.strict)


def measure_cluster(arguments: argparse.Namespace) -> int:
    """Measure a cluster beside the monolith; 1 when a request was not answered as it should."""
    scale = arguments.scale * (QUICK_SCALE if arguments.quick else 1.0)
    measuring = cluster.run(scale, arguments.rounds, arguments.data_dir)
    load_average = os.getloadavg()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(interruptible(measuring))
    settings = {"scale": scale, "rounds": arguments.rounds, "load_average": load_average}
    path = report.write_record("cluster", settings, {"figures": cluster.records(figures)})
    print(f"\n{cluster.tables(figures)}\n\nWritten to {path}")
    return 1 if any(one.errors for one in figures) else 0


async def interruptible(measuring: Coroutine[Any, Any, T]) -> T:
    """Measure so that SIGTERM stops the servers too, as SIGINT does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measuring


def conclude(outcomes: list[Outcome], plan: Plan, path: Path, *, strict: bool) -> int:
    """Print tables and remarks and return the exit code."""
    merged = medians(outcomes)
    print(f"\n{report.figures(merged)}\n")
    for line in report.remarks(merged):
        print(line)
    met = True
    if len(plan.servers) > 1:
        subject, other = plan.servers
        text, met = report.ratios(merged, subject, other)
        print(f"\n{text}\n")
    print(f"Written to {path}")
    subject_clean = all(each.clean for each in merged if each.server == plan.servers[0])
    return 0 if subject_clean and (met or not strict) else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(main())
    sys.exit(130)
