"""SQLite: one file per component, written on the event loop where no log is needed beside it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from base.database import direct, sqlite_errors
from base.database.checkpoints import Checkpoints
from base.database.group_commit import GroupCommit
from base.database.interface import WAITING_HEAVY_READS
from base.database.pace import LightPace, TooLong, at_pace
from base.database.schema import Schema, prepare
from base.fair_turns import FairTurns

T = TypeVar("T")

_SQLITE_PRAGMAS: Final = (
    # A message touches some 20 pages, most for a row or an index entry: small ones cost less.
    "PRAGMA page_size=2048",
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-3000",
    "PRAGMA busy_timeout=5000",
    # What is deleted is overwritten: users have a right to it.
    "PRAGMA secure_delete=ON",
    # A checkpoint fsyncs: `Checkpoints` runs them in a thread.
    "PRAGMA wal_autocheckpoint=0",
)
_OTHERS: Final = 0o007
_READERS: Final = 2
"""Threads for heavy reads. More would only wait for the interpreter."""


def _sqlite_engine(path: str, begin: str) -> Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,
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
        driver = direct.driver_of(connection)
        if driver is not None:
            direct.execute(driver, begin)

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", start)
    return engine


def _file(url: str, schema: Schema) -> Path | None:
    """Return where the schema's file is; none for a database in memory."""
    folder = url.removeprefix("sqlite://").removeprefix("/")
    return None if folder in {"", ":memory:"} else Path(folder) / f"{schema.place}.db"


def _make_private(file: Path) -> None:
    """Make the folder of a database, and keep it and its files from all other users."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in (file, *_beside(file)):
        if one.exists() and one.stat().st_mode & _OTHERS:
            # A group may have been given access on purpose.
            one.chmod(one.stat().st_mode & ~_OTHERS)
    if not file.exists():
        file.touch(mode=0o600)


def _beside(file: Path) -> tuple[Path, Path]:
    """Return the files that SQLite keeps beside a database, made with the rights that it has."""
    return Path(f"{file}-wal"), Path(f"{file}-shm")


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
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix=f"read-{name}")
        self._heavy = FairTurns(
            at_once=_READERS, at_once_per_key=1, waiting_per_key=WAITING_HEAVY_READS
        )
        self._checkpoints = None if self._in_memory else Checkpoints(path, name)

    @classmethod
    async def open(
        cls,
        url: str,
        schema: Schema,
        *,
        durable: bool,
        may_migrate: bool,
        server_name: str | None,
    ) -> "SqliteDatabase":
        """Open the file of this schema in the folder of the URL, or a database in memory."""
        path = ":memory:"
        file = _file(url, schema)
        if file is not None:
            await asyncio.to_thread(_make_private, file)
            path = str(file)
        with sqlite_errors.told():
            database = cls(path, schema.name, durable=durable)

        def work(connection: Connection) -> None:
            prepare(connection, schema, server_name, may_migrate=may_migrate)

        try:
            await database.write(work, durable=True)
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
        for one in (*_beside(file), file):
            await asyncio.to_thread(one.unlink, missing_ok=True)

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction (`Database.write`)."""
        checkpoints = self._checkpoints
        if checkpoints is None:
            return self._write(work, "NORMAL")
        await checkpoints.until_writable()
        if self._durable:
            result = await self._group_commit.run(work)
        else:
            result = self._write(work, "FULL" if durable else "NORMAL")
        checkpoints.note_write()
        return result

    def _write(self, work: Callable[[Connection], T], synchronous: str) -> T:
        with sqlite_errors.told():
            if synchronous != self._synchronous:
                self._set_synchronous(synchronous)
            with self._writer.begin():
                return work(self._writer)

    def _set_synchronous(self, synchronous: str) -> None:
        raw = self._writer.connection.dbapi_connection
        if raw is not None:
            raw.cursor().execute(f"PRAGMA synchronous={synchronous}")
        self._writer.rollback()
        self._synchronous = synchronous

    async def read(
        self,
        work: Callable[[Connection], T],
        *,
        heavy_for: str | None = None,
        begins_light: bool = False,
    ) -> T:
        """Run `work` in one read snapshot (`Database.read`)."""
        with sqlite_errors.told():
            if heavy_for is not None and not self._in_memory:
                if begins_light:
                    with suppress(TooLong), self._reader.begin():
                        return at_pace(self._reader, LightPace(), work)
                async with self._heavy.turn(heavy_for):
                    loop = asyncio.get_running_loop()
                    return await loop.run_in_executor(self._threads, self._read_apart, work)
            with self._reader.begin():
                return work(self._reader)

    def _read_apart(self, work: Callable[[Connection], T]) -> T:
        with self._read_engine.connect() as connection, connection.begin():
            return work(connection)

    async def make_durable(self) -> None:
        """Bring what is committed to the disk (`Database.make_durable`)."""
        if self._checkpoints is not None and not self._durable:
            await self._checkpoints.make_durable()

    async def erase_deleted(self) -> None:
        """Overwrite what was deleted (`Database.erase_deleted`)."""
        if self._checkpoints is not None:
            await self._checkpoints.empty_log()

    async def close(self) -> None:
        """Wait for what runs in threads and close the file."""
        if self._checkpoints is not None:
            await self._checkpoints.close()
        self._group_commit.close()
        self._threads.shutdown(wait=True)
        self._reader.close()
        self._writer.close()
        self._read_engine.dispose()
        self._write_engine.dispose()
