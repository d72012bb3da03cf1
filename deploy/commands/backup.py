"""`xylem backup`: copies a server's data, its key and its settings, while it runs or not."""

import argparse
import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from base.tasks import run as run_event_loop
from deploy.commands.data_copy import DataCopy
from deploy.commands.new_folder import new_folder
from deploy.commands.tables import table
from deploy.errors import StartRefused
from deploy.process.data_directory import DataDirectory
from deploy.settings import Settings
from deploy.settings.loading import CONFIG_VARIABLE, load_settings
from deploy.watching.log_lines import hush

_DATA: Final = "data"
_CONFIG: Final = "xylem.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "A server that runs goes on. To restore: stop the server, put the folder `data` of the "
        "backup in the place of its data directory, and start it."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="what to make; it must not be there yet"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Make the backup and say what is in it."""
    hush()
    settings = load_settings(arguments.config, os.environ)
    folder: Path = arguments.folder.resolve()
    directory = DataDirectory(settings)
    if folder.is_relative_to(directory.path):
        raise StartRefused(
            f"{folder} is in the data directory.",
            "A restored backup takes its place: name a folder elsewhere, best on another disk.",
        )
    with contextlib.ExitStack() as stack:
        unfinished = stack.enter_context(new_folder(folder))
        config = arguments.config or os.environ.get(CONFIG_VARIABLE)
        if config:
            shutil.copyfile(config, unfinished / _CONFIG)
        data = unfinished / _DATA
        data.mkdir(mode=0o700)
        copy = DataCopy(settings, data)
        if copy.has_log and not copy.has_databases:
            # Both have to be of one instant, and only one is copied here.
            stack.enter_context(directory)
        run_event_loop(copy.make())
    print(f"The backup of {settings.server_name} is in {folder}.")
    print(_contents(folder))
    for line in _missing(copy, settings):
        print(line)
    return 0


def _contents(folder: Path) -> str:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    rows = [(str(path.relative_to(folder)), f"{path.stat().st_size:,} bytes") for path in files]
    return table([("file", "size"), *rows])


def _missing(copy: DataCopy, settings: Settings) -> list[str]:
    """Return what is not in the copy, and what to do about it."""
    lines = []
    if not copy.has_databases:
        lines.append("Not copied: the PostgreSQL database. Copy it with pg_dump.")
    if not copy.has_log:
        lines.append("Not copied: Kafka's topics. See the operator's guide, \"Data and backup\".")
    if settings.signing_key_path:
        lines.append(f"The signing key belongs in {settings.signing_key_path}.")
    return lines
