"""`xylem run`: runs some components in this process, which call the others over HTTP."""

import argparse
import contextlib
import logging
import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Final

from deploy.catalogue import CATALOGUE
from deploy.errors import StartRefused
from deploy.process.data_directory import DataDirectory
from deploy.process.running import Server, run_to_the_end
from deploy.settings import ListenerSettings, Settings
from deploy.settings.loading import load_settings
from deploy.watching.log_lines import configure_logging
from deploy.wiring.other_processes import internal_secret, urls_of

_log: Final = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "components",
        metavar="COMPONENT",
        nargs="+",
        choices=CATALOGUE.names,
        help=f"what to run in this process: {', '.join(CATALOGUE.names)}",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Run until the process is told to stop; what is away at the start is waited for."""
    settings = load_settings(arguments.config, os.environ)
    names = [name for name in CATALOGUE.names if name in arguments.components]
    is_whole = len(names) == len(CATALOGUE.names)
    if not is_whole:
        _require_separable(settings, names)
    configure_logging(settings.logging)

    def announce(listener: ListenerSettings, url: str) -> None:
        _log.info("Listening", extra={"url": url, "apis": ",".join(listener.apis)})

    directory = DataDirectory(settings)
    with directory.held_for_data() if is_whole else contextlib.nullcontext():
        run_to_the_end(partial(Server, settings, directory, names, announce, is_patient=True))
    return 0


def _require_separable(settings: Settings, names: Collection[str]) -> None:
    """Raise `StartRefused` if the settings are not those of components in several processes."""
    if settings.log.kafka is None:
        raise StartRefused(
            "Components in different processes need Kafka: the embedded log belongs to one.",
            "Set log.kafka.bootstrap_servers, or run all components together: xylem monolith",
        )
    if not settings.database.url.startswith("postgresql"):
        raise StartRefused(
            "Components in different processes need PostgreSQL.",
            "Set database.url to postgresql://user:password@host/database, or run all components "
            "together: xylem monolith",
        )
    internal_secret(settings.internal)
    urls = urls_of(settings.internal)
    for name in names:
        for asked in sorted(CATALOGUE.asked_elsewhere([name]) - set(names)):
            if not urls[asked]:
                raise StartRefused(
                    f"{name} asks {asked}, which is not in this process and has no URL.",
                    f"Set internal.urls.{asked}, such as http://{asked}.example.org:8009",
                )
    served = {api for listener in settings.listeners for api in listener.apis}
    called = CATALOGUE.asked_elsewhere([name for name in CATALOGUE.names if name not in names])
    if called and "internal" not in served:
        raise StartRefused(
            f"Others could not call {' and '.join(sorted(called))}: no listener serves `internal`.",
            "Add a listener with `apis: [internal]` and a port that only your machines reach.",
        )
