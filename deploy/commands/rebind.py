"""`xylem rebind`: binds the databases to a log that is new, was cut, or is an older one."""

import argparse
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from base.clock import SystemClock
from base.database import Database
from base.tasks import run as run_event_loop
from deploy.commands.rebuild import rebuild
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import (
    CONSUMERS,
    KEPT,
    ConsumerPlace,
    KeptTables,
    made_serving_schema,
)
from deploy.settings import Settings
from deploy.settings.loading import load_settings
from deploy.watching.readiness import Readiness
from logs.announcing.reconciling import bind_to_log
from logs.consumer.lost_records import require_records
from logs.consumer.rebinding import Rebinding, find_rebindings, rebind
from logs.log import Log, RecordsLost

_OWNERS: Final = tuple(place for place in CONSUMERS if not place.kept.is_derived)
_READERS: Final = tuple(kept for kept in KEPT if kept.is_derived)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    owners = dict.fromkeys(place.kept.component.title for place in _OWNERS)
    parser.epilog = (
        "For a log that was lost or cut while the databases are whole. The command says what is "
        "lost, makes client sync's tables again, so that all clients begin with a new /sync, and "
        f"lets the owners go on with the log that is there: {', '.join(owners)}. "
        "A database that fits the log is left as it is. Stop the server first; with "
        "Kafka and PostgreSQL, all components."
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="configuration file")
    parser.add_argument("--check", action="store_true", help="only say what is lost")


def run(arguments: argparse.Namespace) -> int:
    """Say what is lost, and go on with the log."""
    settings = load_settings(arguments.config, os.environ)
    directory = DataDirectory(settings)
    with directory.held_for_data():
        run_event_loop(_Command(settings, directory).run(only_checks=arguments.check))
    return 0


class _Command:
    """One run of the command."""

    def __init__(self, settings: Settings, directory: DataDirectory) -> None:
        self._settings: Final = settings
        self._directory: Final = directory
        self._readiness: Final = Readiness(is_patient=False)

    async def run(self, *, only_checks: bool) -> None:
        """Look at all databases, then bind those that do not fit."""
        async with starting.log(
            self._directory, self._settings, SystemClock(), self._readiness
        ) as log:
            unfit = [place for place in _OWNERS if await self._tell(log, place)]
            follow = [await self._follows(log, reader) for reader in _READERS]
            if all(follow) and not unfit:
                print("All databases fit the log.")
            elif not only_checks:
                # Also where a reader's positions fit by chance: it may have missed what was lost.
                # First, because a run that is killed is told to be repeated by what does not fit
                # yet.
                for reader in _READERS:
                    await rebuild(
                        reader.component, self._settings, self._directory, log, self._readiness
                    )
                for place in unfit:
                    async with self._database(place.kept) as database:
                        await rebind(log, database, place.name, place.topic.name)
                await self._bind_announcements(log)

    async def _tell(self, log: Log, place: ConsumerPlace) -> bool:
        """Print what of a consumer does not fit the log; tell whether there is anything."""
        async with self._database(place.kept) as database:
            found = await find_rebindings(log, database, place.name, place.topic.name)
        for one in found:
            print(f"{place.name}, {_described(place.topic.name, one)}")
        return bool(found)

    async def _follows(self, log: Log, reader: KeptTables) -> bool:
        """Tell whether a reader can go on with this log."""
        async with self._database(reader) as database:
            for topic in reader.component.consumes:
                try:
                    await require_records(log, database, reader.name, topic.name)
                except RecordsLost as lost:
                    print(f"{lost} It is made again from the other databases; nothing is lost.")
                    return False
        return True

    async def _bind_announcements(self, log: Log) -> None:
        for kept in KEPT:
            announces = kept.tables.announces
            if announces is not None:
                async with self._database(kept) as database:
                    await bind_to_log(database, log, announces)

    @contextlib.asynccontextmanager
    async def _database(self, kept: KeptTables) -> AsyncIterator[Database]:
        schema = await made_serving_schema(kept, self._directory, self._readiness)
        is_durable = kept.tables.announces is not None
        async with starting.database(
            self._directory, schema, self._readiness, durable=is_durable
        ) as database:
            yield database


def _described(topic: str, one: Rebinding) -> str:
    goes_on = "has no such partition" if one.start is None else f"goes on at {one.start}"
    return (
        f"{topic}/{one.partition}: processed up to {one.processed} of the former log; what was "
        f"appended to it after that is lost. This log {goes_on}; {one.unsent} records that may not "
        "have been sent yet go along."
    )
