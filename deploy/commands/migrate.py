"""`xylem migrate`: brings the databases of components to this version's schema."""

import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from base.database import Schema
from base.tasks import run as run_event_loop
from components.syncapi.assembly import REBUILDS_SCHEMA, query_serving
from components.syncapi.assembly import SCHEMA as SYNCAPI
from deploy import starting
from deploy.configuration import load_settings
from deploy.data_directory import DataDirectory
from deploy.readiness import Readiness
from deploy.schemas import SCHEMAS

_ALL: Final = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "components",
        metavar="COMPONENT",
        nargs="*",
        default=_ALL,
        choices=[*(schema.name for schema in SCHEMAS), _ALL],
        help=f"whose database: {', '.join(schema.name for schema in SCHEMAS)}; all if left out",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Migrate the databases. With PostgreSQL, several may do so at once: one does the work."""
    directory = DataDirectory(load_settings(arguments.config, os.environ))
    named = arguments.components
    with contextlib.ExitStack() as stack:
        if directory.database_url.startswith("sqlite"):
            # Files belong to one server, which must not run meanwhile.
            stack.enter_context(directory)
        run_event_loop(
            _migrate(directory, [one for one in SCHEMAS if _ALL in named or one.name in named])
        )
    return 0


async def _migrate(directory: DataDirectory, schemas: Sequence[Schema]) -> None:
    readiness = Readiness(is_patient=False)
    for schema in schemas:
        serving = schema
        if schema.name == SYNCAPI.name:
            async with starting.database(directory, REBUILDS_SCHEMA, readiness) as rebuilds:
                serving = schema.numbered(await query_serving(rebuilds))
        async with starting.database(directory, serving, readiness, durable=True):
            print(f"{schema.name}: schema version {schema.version}")
