"""`xylem rebuild`: makes the tables of a reader again from what others keep for good."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from base.clock import Clock, SystemClock
from base.database import Database, DatabaseOutage, Schema, SchemaTooNew
from base.tasks import run as run_event_loop
from deploy.catalogue import CATALOGUE
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import KEPT, StoredCopies
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from deploy.watching.readiness import Readiness
from describing.component import Component
from logs.log import Log, LogOutage, RecordsLost
from logs.rebuilding import RebuildProgress, RebuildRefused
from logs.rebuilding.copies import rebuilds_schema
from logs.topics import UnknownKind

P = TypeVar("P")
S = TypeVar("S", bound=msgspec.Struct)

_READERS: Final = tuple(kept.name for kept in KEPT if kept.is_derived)
_BAR_WIDTH: Final = 30
_LINE_WIDTH: Final = 100
_BETWEEN_LINES_S: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Everything comes from what the components keep to which the data belong. "
        "With Kafka and PostgreSQL all components go on, and the reader's processes begin again "
        "at the end. With the embedded log the server must not run."
    )
    parser.add_argument(
        "component", metavar="COMPONENT", choices=CATALOGUE.names, help=", ".join(_READERS)
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, with a progress bar; an interrupted rebuild goes on where it was."""
    component = CATALOGUE.named(arguments.component)
    if component.name not in _READERS:
        sys.stderr.write(f"xylem rebuild: Nothing to rebuild: {component.not_rebuilt}\n")
        return 2
    settings = load_settings(arguments.config, os.environ)
    directory = DataDirectory(settings)
    with directory.held_for_data():
        run_event_loop(_rebuild(component, settings, directory))
    return 0


async def _rebuild(component: Component, settings: Settings, directory: DataDirectory) -> None:
    readiness = Readiness(is_patient=False)
    async with starting.log(directory, settings, SystemClock(), readiness) as log:
        await rebuild(component, settings, directory, log, readiness)


async def rebuild(
    component: Component,
    settings: Settings,
    directory: DataDirectory,
    log: Log,
    readiness: Readiness,
) -> None:
    """Make a component's derived tables again, with a progress bar. Raises `StartRefused`."""
    rebuilding = None if component.tables is None else component.tables.rebuild
    if rebuilding is None:
        raise StartRefused(f"{component.name} has nothing to rebuild.")
    bar = _Bar(is_terminal=sys.stderr.isatty())
    async with contextlib.AsyncExitStack() as stack:

        async def opened(schema: Schema, *, durable: bool = False) -> Database:
            return await stack.enter_async_context(
                starting.database(directory, schema, readiness, durable=durable)
            )

        histories: dict[Any, Any] = {}
        for protocol in rebuilding.rebuilt_from:
            keeper, tables, history = CATALOGUE.keeper_of(protocol)
            database = await opened(tables.schema(), durable=tables.announces is not None)
            histories[protocol] = history.make(database, settings.section(keeper.settings))
        ground = _Rebuilding(
            log=log,
            clock=SystemClock(),
            register=await opened(rebuilds_schema(component.name)),
            copies=StoredCopies(directory.database_url),
            # Only where the data directory is held does nobody else serve meanwhile.
            is_alone=directory.is_held,
            settings=settings,
            histories=histories,
            bar=bar,
        )
        try:
            await rebuilding.perform(ground)
        except (DatabaseOutage, LogOutage, RecordsLost) as interruption:
            raise StartRefused(
                f"The rebuild was interrupted: {interruption}", "Run the command again."
            ) from interruption
        except UnknownKind as unknown:
            raise StartRefused(
                f"The rebuild cannot go on: {unknown}.", "Run it with the newer version."
            ) from unknown
        except (RebuildRefused, SchemaTooNew) as refused:
            raise StartRefused(str(refused)) from refused
        finally:
            bar.end()
    sys.stderr.write("The rebuilt tables serve.\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rebuilding:
    """What a rebuild stands on (`describing.tables.Rebuilding`)."""

    log: Log
    clock: Clock
    register: Database
    copies: StoredCopies
    is_alone: bool
    settings: Settings
    histories: Mapping[Any, Any]
    bar: "_Bar"

    def section(self, kind: type[S]) -> S:
        """Return the component's section of the settings."""
        return self.settings.section(kind)

    def history(self, protocol: Callable[..., P]) -> P:
        """Return a history that the rebuild says that it reads."""
        found: P = self.histories[protocol]
        return found

    def show(self, progress: RebuildProgress) -> None:
        """Tell how far it is."""
        self.bar.show(progress)


class _Bar:
    """A line that shows how far the rebuild is; where nobody looks, now and then a new one."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self._clock = SystemClock()
        self._shown_s = float("-inf")
        self._doing = ""

    def show(self, progress: RebuildProgress) -> None:
        """Show this."""
        now_s = self._clock.monotonic_s()
        is_due = progress.doing != self._doing or now_s - self._shown_s >= _BETWEEN_LINES_S
        if self._is_terminal or is_due:
            self._shown_s, self._doing = now_s, progress.doing
            line = _line(progress)
            sys.stderr.write(f"\r{line:<{_LINE_WIDTH}}" if self._is_terminal else f"{line}\n")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._is_terminal:
            sys.stderr.write("\n")


def _line(progress: RebuildProgress) -> str:
    share = progress.rooms / progress.all_rooms if progress.all_rooms else 1.0
    bar = "#" * round(share * _BAR_WIDTH)
    doing = progress.doing
    if progress.behind is not None:
        doing = f"{doing}, {progress.behind} behind"
    return (
        f"[{bar:<{_BAR_WIDTH}}] {progress.rooms} of {progress.all_rooms} rooms, "
        f"{progress.records} records, now {doing}"
    )
