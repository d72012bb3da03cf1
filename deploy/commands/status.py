"""`xylem status`: shows the processes of a server, its topics, and how far consumers are."""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

import msgspec
import orjson

from base.tasks import run as run_event_loop
from deploy.commands.server_status import Status, query_status
from deploy.commands.tables import table
from deploy.settings.loading import load_settings
from deploy.watching.colours import GREEN, RED, paint_for
from deploy.watching.log_lines import hush

NOT_WELL: Final = 3
"""The exit code where something is away."""
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        f"Exit codes: 0 all is well, 1 it could not be done, {NOT_WELL} something is not."
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.add_argument("--json", action="store_true", help="write one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Show it; nothing is changed."""
    hush()
    status = run_event_loop(query_status(load_settings(arguments.config, os.environ)))
    if arguments.json:
        plain = msgspec.to_builtins(status, str_keys=True) | {"is_well": status.is_well}
        print(orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode())
    else:
        parts = [_verdict(status), _processes(status), _topics(status), _consumers(status)]
        print("\n\n".join(filter(None, parts)))
    return 0 if status.is_well else NOT_WELL


def _verdict(status: Status) -> str:
    """Return in words whether all is well, and what is not."""
    paint = paint_for(sys.stdout)
    amiss = [
        *(
            f"{one.component} at {one.url}: {one.state}"
            for one in status.processes
            if not one.is_well
        ),
        *status.problems,
        *(
            f"{one.consumer} is {one.behind} records of {one.topic} behind."
            for one in status.consumers
            if one.behind
        ),
    ]
    heading = paint("All is well.", GREEN) if status.is_well else paint("Not all is well.", RED)
    return "\n".join([heading, *(f"- {one}" for one in amiss)])


def _processes(status: Status) -> str:
    rows = [
        (one.component, one.url, one.version, _duration(one.uptime_s), one.state)
        for one in status.processes
    ]
    return table([("component", "url", "version", "up", "state"), *rows])


def _topics(status: Status) -> str:
    rows = [
        (one.topic, str(one.partitions), str(one.copies), str(one.in_sync), str(one.records))
        for one in status.topics
    ]
    return table([("topic", "partitions", "copies", "in sync", "records"), *rows]) if rows else ""


def _consumers(status: Status) -> str:
    rows = []
    for one in status.consumers:
        lag = "not known: the log is the server's alone"
        if one.lag is not None:
            most = max(one.lag.values())
            lag = f"{one.behind} (most in one partition: {most})" if one.behind else "nothing"
        rows.append((one.consumer, one.topic, str(sum(one.positions.values())), lag))
    return table([("consumer", "topic", "processed", "still to do"), *rows]) if rows else ""


def _duration(seconds: float) -> str:
    """Return a duration in its largest unit, rounded down."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return ""
