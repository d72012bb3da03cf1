"""`xylem rebuild`: makes the tables of a reader again from what others keep for good."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from base.clock import SystemClock
from base.database import DatabaseOutage, SchemaTooNew
from base.tasks import run as run_event_loop
from components.receipts import assembly as receipts
from components.roomserver import assembly as roomserver
from components.syncapi import assembly as syncapi
from components.syncapi.projection.history import Histories
from components.syncapi.projection.rebuild import NOTICE_S, RebuildGround, RebuildProgress, rebuild
from components.syncapi.store.rebuild_progress import RebuildTaken
from components.userapi import assembly as userapi
from deploy import starting
from deploy.components import COMPONENTS
from deploy.configuration import load_settings
from deploy.copies import StoredCopies
from deploy.data_directory import DataDirectory
from deploy.errors import StartRefused
from deploy.readiness import Readiness
from deploy.settings import Settings
from logs.log import Log, LogOutage, RecordsLost
from logs.rebuilding.copies import SwitchRefused

READERS: Final = (syncapi.SCHEMA.name,)
_NOTHING_TO_REBUILD: Final = {
    "userapi": "Nothing to rebuild: accounts and what users keep are in no log, and the user API's "
    "database is where they are kept for good: restore it from its backup.",
    "roomserver": "Nothing to rebuild: the room server's database is the long-term record that "
    "readers are rebuilt from: restore it from its backup.",
    "receipts": "Nothing to rebuild: where receipts stand is kept for good in the receipt server's "
    "own table alone, and topics keep receipts for a few days: restore it from its backup.",
    "eduserver": "Nothing to rebuild: typing is kept for half a minute, and then the tables are as "
    "if they had been rebuilt.",
    "clientapi": "Nothing to rebuild: the client API keeps nothing, and fills its memory when it "
    "starts.",
}
_BAR_WIDTH: Final = 30
_LINE_WIDTH: Final = 100
_BETWEEN_LINES_S: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Everything comes from what the room server, the user API and the receipt server keep. "
        "With Kafka and PostgreSQL all components go on, and the reader's processes begin again "
        "at the end. With the embedded log the server must not run."
    )
    parser.add_argument(
        "component", metavar="COMPONENT", choices=COMPONENTS, help=", ".join(READERS)
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, with a progress bar; an interrupted rebuild goes on where it was."""
    if arguments.component not in READERS:
        sys.stderr.write(f"xylem rebuild: {_NOTHING_TO_REBUILD[arguments.component]}\n")
        return 2
    settings = load_settings(arguments.config, os.environ)
    directory = DataDirectory(settings)
    is_alone = settings.log.kafka is None or directory.database_url.startswith("sqlite")
    with contextlib.ExitStack() as stack:
        if is_alone:
            stack.enter_context(directory)
        run_event_loop(_rebuild(settings, directory))
    return 0


async def _rebuild(settings: Settings, directory: DataDirectory) -> None:
    readiness = Readiness(is_patient=False)
    async with starting.log(directory, settings, SystemClock(), readiness) as log:
        await rebuild_client_sync(settings, directory, log, readiness)


async def rebuild_client_sync(
    settings: Settings, directory: DataDirectory, log: Log, readiness: Readiness
) -> None:
    """Make client sync's tables again, with a progress bar. Raises `StartRefused`."""
    # Only where the data directory is held does nobody else serve meanwhile.
    notice_s = 0 if directory.is_held else NOTICE_S
    bar = _Bar(is_terminal=sys.stderr.isatty())
    async with (
        starting.database(directory, roomserver.SCHEMA, readiness) as rooms,
        starting.database(directory, userapi.SCHEMA, readiness, durable=True) as users,
        starting.database(directory, receipts.SCHEMA, readiness) as reading,
        starting.database(directory, syncapi.REBUILDS_SCHEMA, readiness) as rebuilds,
    ):
        histories = Histories(
            roomserver.RoomHistoryReader(rooms, settings.roomserver),
            userapi.UserHistoryReader(users),
            receipts.ReceiptHistoryReader(reading),
        )
        copies = StoredCopies(directory.database_url)
        ground = RebuildGround(log, rebuilds, copies, histories, settings.syncapi, SystemClock())
        try:
            await rebuild(ground, bar.show, notice_s=notice_s)
        except (DatabaseOutage, LogOutage, RecordsLost) as interruption:
            raise StartRefused(
                f"The rebuild was interrupted: {interruption}", "Run the command again."
            ) from interruption
        except (RebuildTaken, SwitchRefused, SchemaTooNew) as refused:
            raise StartRefused(str(refused)) from refused
        finally:
            bar.end()
    sys.stderr.write("The rebuilt tables serve.\n")


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
