"""`xylem migrate`: brings the databases of all components to this version's schema."""

import argparse
import os
from pathlib import Path

from base.tasks import run as run_event_loop
from deploy import starting
from deploy.configuration import load_settings
from deploy.data_directory import DataDirectory
from deploy.schemas import SCHEMAS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Migrate all databases; the server must not run on this data directory meanwhile."""
    with DataDirectory(load_settings(arguments.config, os.environ)) as directory:
        run_event_loop(_migrate(directory))
    return 0


async def _migrate(directory: DataDirectory) -> None:
    for schema in SCHEMAS:
        async with starting.database(directory, schema, durable=True):
            print(f"{schema.name}: schema version {schema.version}")
