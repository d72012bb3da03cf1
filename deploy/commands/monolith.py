"""`xylem monolith`: runs the whole server in this process."""

import argparse
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

from components.userapi.settings import UserApiSettings
from deploy.catalogue import CATALOGUE
from deploy.commands.welcome import welcome
from deploy.process.data_directory import DataDirectory
from deploy.process.running import Server, run_to_the_end
from deploy.settings import ListenerSettings
from deploy.settings.loading import is_local, load_settings
from deploy.watching.log_lines import configure_logging

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


def _welcome(url: str, server_name: str, config: Path | None) -> str:
    command = f"{Path(sys.executable)} -m deploy.cli"
    return welcome(url, server_name, command=command, config=str(config or "FILE"))


def run(arguments: argparse.Namespace) -> int:
    """Run until the process is told to stop."""
    settings = load_settings(arguments.config, os.environ)
    configure_logging(settings.logging)
    if settings.section(UserApiSettings).registration == "open":
        reach = (
            "from this machine"
            if is_local(settings)
            else "from every address that reaches the server"
        )
        _log.warning("Registration is open", extra={"to_be_used": reach})

    def announce(listener: ListenerSettings, url: str) -> None:
        _log.info("Listening", extra={"url": url, "apis": ",".join(listener.apis)})
        if arguments.welcome and "client" in listener.apis:
            sys.stdout.write(_welcome(url, settings.server_name, arguments.config))
            sys.stdout.flush()

    with DataDirectory(settings) as directory:
        run_to_the_end(
            partial(Server, settings, directory, CATALOGUE.names, announce, is_patient=False)
        )
    return 0
