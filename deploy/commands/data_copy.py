"""Copies a server's data so that a server can be started with the copy; the server may run.

The databases are copied first, each as it is at one instant, and the log after them, so that it has
all that they have processed. Components that announce, as the user API, write their databases
before the log. So those databases are copied last, and the copy of the log ends where it begins to
tell of what these copies do not have. Together they are what a power cut leaves.

Files that components keep are written before a database tells of them, and never changed. They are
copied after the databases: only what was deleted meanwhile may be missing.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

from base.clock import SystemClock
from base.database import (
    Database,
    DatabaseDamaged,
    DatabaseOutage,
    SchemaTooNew,
    SchemaTooOld,
    copy_sqlite,
)
from deploy.catalogue import CATALOGUE
from deploy.errors import StartRefused
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.process.kept_tables import CONSUMERS, KEPT, KeptTables, serving_schema
from deploy.process.signing_key_file import read_signing_key
from deploy.settings import DatabaseSettings, Settings
from deploy.watching.readiness import Readiness
from logs.announcing import AnnouncedTopic
from logs.announcing.reconciling import query_newer_records
from logs.consumer.lost_records import require_records
from logs.consumer.tables import ConsumerStore
from logs.embedded import Cut, copy_log, cut_log
from logs.log import Log, LogDamaged, LogMismatch, RecordsLost

_TRIES: Final = 5
_BEFORE_THE_LOG: Final = {
    kept: kept.tables.announces for kept in KEPT if kept.tables.announces is not None
}
"""Whose tables are written before the log."""
_MISFITS: Final = (
    LogDamaged,
    LogMismatch,
    RecordsLost,
    SchemaTooNew,
    SchemaTooOld,
    StartRefused,
)


class DataCopy:
    """The copy of a data directory, in a folder that is there and empty."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._source: Final = DataDirectory(settings)
        self._readiness: Final = Readiness(is_patient=False)
        self.has_databases: Final = self._source.keeps_databases
        self.has_log: Final = settings.log.kafka is None
        database = DatabaseSettings(url="") if self.has_databases else settings.database
        self._settings: Final = msgspec.structs.replace(
            settings, data_dir=str(folder), signing_key_path="", database=database
        )
        self._copy: Final = DataDirectory(self._settings)

    async def make(self) -> None:
        """Copy all, and open it to see that it fits together.

        What runs may drop or rewrite files of the log meanwhile: then all is copied again, a few
        times. Raises `StartRefused`.
        """
        read_signing_key(self._source.signing_key_path)
        shutil.copyfile(self._source.signing_key_path, self._copy.signing_key_path)
        reason = ""
        for _ in range(_TRIES):
            try:
                await self._copy_files()
                await self._check()
                return await self._copy_component_files()
            except _MISFITS as misfit:
                reason = misfit.message if isinstance(misfit, StartRefused) else str(misfit)
                for path in self._copy.folders().values():
                    shutil.rmtree(path)
            except (DatabaseOutage, DatabaseDamaged, OSError) as error:
                raise StartRefused(f"The data cannot be copied: {error}") from error
        raise StartRefused(
            f"The copy does not fit together: {reason}",
            "If the server refuses to start for the same reason, mend that first. Else stop the "
            "server, and try again.",
        )

    async def _copy_files(self) -> None:
        if self.has_databases:
            databases = self._copy.path / "databases"
            databases.mkdir(mode=0o700)
            for file in self._database_files():
                await asyncio.to_thread(copy_sqlite, file, databases / file.name)
        if self.has_log:
            await asyncio.to_thread(copy_log, self._source.log_path, self._copy.log_path)
        if self.has_databases and self.has_log:
            for kept, announced in _BEFORE_THE_LOG.items():
                cut = await self._cut(kept, announced)
                now_ms = SystemClock().now_ms()
                await asyncio.to_thread(
                    cut_log, self._copy.log_path, starting.EMBEDDED_PARTITIONS, cut, now_ms
                )

    async def _copy_component_files(self) -> None:
        for one in CATALOGUE:
            source = self._source.folders().get(one.folder)
            if source is not None:
                await asyncio.to_thread(_copy_folder, source, self._copy.path / one.folder)

    def _database_files(self) -> list[Path]:
        folder = self._source.folders().get("databases")
        if folder is None:
            raise StartRefused(
                f"There are no databases in {self._source.path}.",
                "Name the server's configuration file with --config.",
            )
        last = {kept.name for kept in _BEFORE_THE_LOG}
        return sorted(folder.glob("*.db"), key=lambda file: (file.stem in last, file.name))

    async def _cut(self, kept: KeptTables, announced: AnnouncedTopic[Any]) -> Cut:
        """Return where the log first tells of what the copy of a database lacks."""
        topic = announced.topic
        start: dict[int, int] = {}
        for place in CONSUMERS:
            if place.topic is topic and place.kept not in _BEFORE_THE_LOG:
                # Copied before: what it has processed is in this copy.
                async with self._database(place.kept) as database:
                    offsets = ConsumerStore(place.name, topic.name).select_offsets
                    for partition, offset in (await database.read(offsets)).items():
                        start[partition] = max(offset, start.get(partition, 0))
        async with self._database(kept) as database:
            return Cut(topic.name, start, await query_newer_records(database, announced))

    async def _check(self) -> None:
        """Open everything as a server does. Raises `RecordsLost`, `StartRefused`."""
        async with contextlib.AsyncExitStack() as stack:
            log = None
            if self.has_log:
                opened = starting.log(self._copy, self._settings, SystemClock(), self._readiness)
                log = await stack.enter_async_context(opened)
            if self.has_databases:
                for kept in KEPT:
                    await self._check_tables(kept, log)

    async def _check_tables(self, kept: KeptTables, log: Log | None) -> None:
        async with self._database(kept) as database:
            if log is not None:
                for topic in kept.component.consumes:
                    await require_records(log, database, kept.name, topic.name)

    @contextlib.asynccontextmanager
    async def _database(self, kept: KeptTables) -> AsyncIterator[Database]:
        schema = await serving_schema(kept, self._copy.database_url)
        async with starting.database(
            self._copy, schema, self._readiness, may_migrate=False
        ) as database:
            yield database


def _copy_folder(source: Path, copy: Path) -> None:
    """Copy a folder of files that may be deleted meanwhile."""
    for folder, _, names in os.walk(source):
        target = copy / Path(folder).relative_to(source)
        target.mkdir(mode=0o700)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(Path(folder, name), target / name)
