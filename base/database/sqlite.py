"""SQLite: one file per component, written on the event loop where no log is needed beside it."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from base.database.group_commit import GroupCommit
from base.database.interface import WAITING_HEAVY_READS, DatabaseOutage
from base.database.schema import Schema, migrate, require_version
from base.fair_turns import FairTurns

T = TypeVar("T")

_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-3000",
    "PRAGMA busy_timeout=5000",
    # The checkpoint fsyncs: `make_durable` does it in a thread. This bound is for when it lags.
    "PRAGMA wal_autocheckpoint=20000",
)
_WRITES_BETWEEN_CHECKPOINTS: Final = 500
_READERS: Final = 2
"""Threads for heavy reads and checkpoints. More would only wait for the interpreter."""


def _sqlite_engine(path: str, begin: str) -> Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=sa.pool.StaticPool if path == ":memory:" else sa.pool.QueuePool,
        connect_args={"check_same_thread": False, "cached_statements": 256},
    )

    def prepare(raw: Any, _record: object) -> None:
        # The driver would begin only before the first write, so that reads before it were not
        # of the same snapshot: transactions are begun by the hook below instead.
        raw.isolation_level = None
        for pragma in _SQLITE_PRAGMAS:
            raw.execute(pragma)

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", start)
    return engine


def _file(url: str, schema: Schema) -> Path | None:
    """Return where the schema's file is; none for a database in memory."""
    folder = url.removeprefix("sqlite://").removeprefix("/")
    return None if folder in {"", ":memory:"} else Path(folder) / f"{schema.place}.db"


class SqliteDatabase:
    """One SQLite file with one writer.

    A derived database commits on the event loop, without fsync. A durable one commits in a thread
    of its own, because an fsync may take long. Checkpoints, which fsync too, run in a thread.
    """

    def __init__(self, path: str, name: str, *, durable: bool) -> None:
        self._in_memory = path == ":memory:"
        self._durable = durable and not self._in_memory
        self._write_engine = _sqlite_engine(path, "BEGIN IMMEDIATE")
        self._read_engine = self._write_engine if self._in_memory else _sqlite_engine(path, "BEGIN")
        self._writer = self._write_engine.connect()
        self._reader = self._read_engine.connect()
        self._synchronous = ""
        self._set_synchronous("FULL" if self._durable else "NORMAL")
        self._group_commit = GroupCommit(self._writer, name)
        self._wal = Path(f"{path}-wal")
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix=f"read-{name}")
        self._heavy = FairTurns(
            at_once=_READERS, at_once_per_key=1, waiting_per_key=WAITING_HEAVY_READS
        )
        self._checkpoint: asyncio.Future[None] | None = None
        self._writes = 0

    @classmethod
    async def open(
        cls, url: str, schema: Schema, *, durable: bool, may_migrate: bool
    ) -> "SqliteDatabase":
        """Open the file of this schema in the folder of the URL, or a database in memory."""
        path = ":memory:"
        file = _file(url, schema)
        if file is not None:
            await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
            path = str(file)
        database = cls(path, schema.name, durable=durable)
        prepare = migrate if may_migrate else require_version
        try:
            await database.write(lambda connection: prepare(connection, schema), durable=True)
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def drop(cls, url: str, schema: Schema) -> None:
        """Delete the file of this schema, which nobody has open; not to find it is no error."""
        file = _file(url, schema)
        if file is None:
            return
        # The file itself last: without it, what is left would be taken for another file's.
        for one in (Path(f"{file}-wal"), Path(f"{file}-shm"), file):
            await asyncio.to_thread(one.unlink, missing_ok=True)

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction (`Database.write`)."""
        if self._durable:
            return await self._group_commit.run(work)
        result = self._write(work, "FULL" if durable else "NORMAL")
        self._writes += 1
        if self._writes >= _WRITES_BETWEEN_CHECKPOINTS and not self._in_memory:
            self._writes = 0
            self._start_checkpoint()
        return result

    def _write(self, work: Callable[[Connection], T], synchronous: str) -> T:
        try:
            if synchronous != self._synchronous:
                self._set_synchronous(synchronous)
            with self._writer.begin():
                return work(self._writer)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise DatabaseOutage(str(error.orig)) from error

    def _set_synchronous(self, synchronous: str) -> None:
        raw = self._writer.connection.dbapi_connection
        if raw is not None:
            raw.cursor().execute(f"PRAGMA synchronous={synchronous}")
        self._writer.rollback()
        self._synchronous = synchronous

    async def read(self, work: Callable[[Connection], T], *, heavy_for: str | None = None) -> T:
        """Run `work` in one read snapshot (`Database.read`)."""
        try:
            if heavy_for is not None and not self._in_memory:
                async with self._heavy.turn(heavy_for):
                    loop = asyncio.get_running_loop()
                    return await loop.run_in_executor(self._threads, self._read_apart, work)
            with self._reader.begin():
                return work(self._reader)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise DatabaseOutage(str(error.orig)) from error

    def _read_apart(self, work: Callable[[Connection], T]) -> T:
        with self._read_engine.connect() as connection, connection.begin():
            return work(connection)

    async def make_durable(self) -> None:
        """Bring what is committed to the disk (`Database.make_durable`)."""
        if self._in_memory or self._durable:
            return
        # A checkpoint that is under way may have missed the newest commits: wait, then run one.
        if self._checkpoint is not None and not self._checkpoint.done():
            await asyncio.wait([self._checkpoint])
        await self._start_checkpoint()

    def _start_checkpoint(self) -> asyncio.Future[None]:
        if self._checkpoint is None or self._checkpoint.done():
            loop = asyncio.get_running_loop()
            self._checkpoint = loop.run_in_executor(self._threads, self._run_checkpoint)
        return self._checkpoint

    def _run_checkpoint(self) -> None:
        # A checkpoint syncs the log too, but not where readers leave it nothing to do.
        if self._wal.exists():
            file = os.open(self._wal, os.O_RDONLY)
            try:
                os.fdatasync(file)
            finally:
                os.close(file)
        raw = self._read_engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            raw.close()

    async def close(self) -> None:
        """Wait for what runs in threads and close the file."""
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        self._group_commit.close()
        self._threads.shutdown(wait=True)
        self._reader.close()
        self._writer.close()
        self._read_engine.dispose()
        self._write_engine.dispose()
