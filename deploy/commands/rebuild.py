"""`xylem rebuild`: makes the tables of a reader anew from what the room server keeps for good."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from base.clock import SystemClock
from base.tasks import run as run_event_loop
from components.roomserver import component as roomserver
from components.syncapi import component as syncapi
from components.syncapi.projection.rebuild import NOTICE_S, RebuildProgress, rebuild
from deploy import starting
from deploy.configuration import load_settings
from deploy.data_directory import DataDirectory
from deploy.readiness import Readiness
from deploy.settings import Settings

READERS: Final = ("syncapi",)
_BAR_WIDTH: Final = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Everything comes from what the room server keeps. With Kafka and PostgreSQL the other "
        "components go on; the reader's own processes end, and wait when they are started again. "
        "With the embedded log the server must not run."
    )
    parser.add_argument("component", metavar="COMPONENT", choices=READERS, help="syncapi")
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, with a progress bar; an interrupted rebuild goes on where it was."""
    settings = load_settings(arguments.config, os.environ)
    directory = DataDirectory(settings)
    is_alone = settings.log.kafka is None or directory.database_url.startswith("sqlite")
    with contextlib.ExitStack() as stack:
        if is_alone:
            stack.enter_context(directory)
        run_event_loop(_rebuild(settings, directory, notice_s=0 if is_alone else NOTICE_S))
    print(file=sys.stderr)
    return 0


async def _rebuild(settings: Settings, directory: DataDirectory, *, notice_s: float) -> None:
    clock, readiness = SystemClock(), Readiness(is_patient=False)
    async with (
        starting.log(directory, settings, clock, readiness) as log,
        starting.database(directory, roomserver.SCHEMA, readiness) as kept,
        starting.database(directory, syncapi.SCHEMA, readiness) as derived,
    ):
        rooms = roomserver.build(log=log, database=kept, settings=settings.roomserver, clock=clock)
        await rebuild(
            log=log, database=derived, history=rooms.history, progress=_show, notice_s=notice_s
        )


def _show(progress: RebuildProgress) -> None:
    share = progress.rooms / progress.all_rooms if progress.all_rooms else 1.0
    bar = "#" * round(share * _BAR_WIDTH)
    sys.stderr.write(
        f"\r[{bar:<{_BAR_WIDTH}}] {progress.rooms} of {progress.all_rooms} rooms, "
        f"{progress.records} records"
    )
    sys.stderr.flush()
