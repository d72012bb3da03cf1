"""`xylem monolith`: runs the whole server in this process."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from base.tasks import TaskEnded
from base.tasks import run as run_event_loop
from deploy.configuration import is_local, load_settings
from deploy.data_directory import DataDirectory
from deploy.errors import StartRefused
from deploy.log_lines import configure_logging
from deploy.monolith import run_monolith
from deploy.welcome import welcome

_log: Final = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="configuration file; without it, a server for this machine alone, to try things out",
    )
    parser.add_argument("--welcome", action="store_true", help="say what to do next")


def run(arguments: argparse.Namespace) -> int:
    """Run until the process is told to stop."""
    settings = load_settings(arguments.config, os.environ)
    configure_logging(settings.logging)
    if settings.userapi.registration == "open":
        reach = "from this machine" if is_local(settings) else "by anybody who reaches the server"
        _log.warning("Registration is open", extra={"to_be_used": reach})

    def announce(addresses: Sequence[str]) -> None:
        for address, listener in zip(addresses, settings.listeners, strict=True):
            _log.info("Listening", extra={"url": address, "apis": ",".join(listener.apis)})
        if arguments.welcome:
            sys.stdout.write(welcome(addresses[0], settings.server_name))
            sys.stdout.flush()

    with DataDirectory(settings) as directory:
        try:
            run_event_loop(run_monolith(settings, directory, announce))
        except TaskEnded as ended:
            raise StartRefused(
                f"The server has ended, because its part '{ended}' failed: {ended.__cause__}",
                "The log lines above say more.",
            ) from ended
    return 0
