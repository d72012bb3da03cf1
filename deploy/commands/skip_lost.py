"""`xylem skip-lost`: lets a consumer go on behind records that were dropped unprocessed."""

import argparse
import os
from pathlib import Path

from base.clock import SystemClock
from base.tasks import run as run_event_loop
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import CONSUMERS
from deploy.process.lost_records import OF_ANOTHER_LOG
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from deploy.watching.readiness import Readiness
from logs.consumer.lost_records import skip_lost_records
from logs.log import RecordsLost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    names = sorted({place.name for place in CONSUMERS if not place.kept.is_derived})
    parser.epilog = (
        "What was dropped from a topic before a component has processed it is lost; this command "
        "says how much that is. A component without missing records is left as it is."
    )
    parser.add_argument("component", metavar="COMPONENT", choices=names, help=", ".join(names))
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Move the component's positions to the first records that its topics have."""
    settings = load_settings(arguments.config, os.environ)
    directory = DataDirectory(settings)
    with directory.held_for_data():
        run_event_loop(_skip(arguments.component, settings, directory))
    return 0


async def _skip(name: str, settings: Settings, directory: DataDirectory) -> None:
    readiness = Readiness(is_patient=False)
    async with starting.log(directory, settings, SystemClock(), readiness) as log:
        for place in CONSUMERS:
            if place.name != name:
                continue
            topic, schema = place.topic.name, place.kept.tables.schema()
            async with starting.database(directory, schema, readiness) as database:
                try:
                    skipped = await skip_lost_records(log, database, name, topic)
                except RecordsLost as lost:
                    raise StartRefused(str(lost), OF_ANOTHER_LOG) from lost
            for partition, (first, end) in sorted(skipped.items()):
                print(f"{topic}/{partition}: {end - first} records are lost, from {first} on")
            if not skipped:
                print(f"{topic}: nothing is missing")
