"""`xylem migrate`: brings the databases of components to this version's schema."""

import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from base.tasks import run as run_event_loop
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import KEPT, KeptTables, made_serving_schema
from deploy.settings.loading import load_settings
from deploy.watching.readiness import Readiness

_ALL: Final = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "components",
        metavar="COMPONENT",
        nargs="*",
        default=_ALL,
        choices=[*(kept.name for kept in KEPT), _ALL],
        help=f"whose database: {', '.join(kept.name for kept in KEPT)}; all if left out",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Migrate the databases. With PostgreSQL, several may do so at once: one does the work."""
    directory = DataDirectory(load_settings(arguments.config, os.environ))
    named = arguments.components
    # Files belong to one server, which must not run meanwhile.
    with directory if directory.keeps_databases else contextlib.nullcontext():
        run_event_loop(
            _migrate(directory, [one for one in KEPT if _ALL in named or one.name in named])
        )
    return 0


async def _migrate(directory: DataDirectory, kept_tables: Sequence[KeptTables]) -> None:
    readiness = Readiness(is_patient=False)
    for kept in kept_tables:
        schema = await made_serving_schema(kept, directory, readiness)
        async with starting.database(directory, schema, readiness, durable=True):
            print(f"{schema.name}: schema version {schema.version}")
