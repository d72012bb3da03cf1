"""A component's database: SQLite on the event loop, or PostgreSQL through asyncpg.

Store code is plain functions over a SQLAlchemy `Connection`; a transaction is one such function
handed to `write` or `read`. On SQLite it runs where it is called: derived tables commit without
an fsync (WAL, synchronous NORMAL), so a batch costs its CPU time and no thread hop. On PostgreSQL
the same function runs in a greenlet over the asynchronous driver.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

T = TypeVar("T")
Migration = Callable[[Connection], None]


class DatabaseOutage(Exception):
    """The database cannot be reached, is full, or refused a write: try again later."""


class SchemaTooNew(Exception):
    """The database was written by a newer version of the server."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one component and how older ones become these.

    `migrations[n]` takes a database from version n + 1 to n + 2; a new database is made from
    `metadata` at the latest version.
    """

    name: str
    metadata: sa.MetaData
    migrations: Sequence[Migration] = field(default=())

    @property
    def version(self) -> int:
        """The version that this code reads and writes."""
        return len(self.migrations) + 1


class Database(Protocol):
    """One component's tables, and transactions over them."""

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction and commit it.

        With `durable` the commit has reached the disk on return; otherwise only a later durable
        commit or `make_durable` promises so. Raises `DatabaseOutage`; `work`'s own errors roll
        back and pass through.
        """
        ...

    async def read(self, work: Callable[[Connection], T], *, heavy: bool = False) -> T:
        """Run `work` in one read snapshot; `heavy` work does not hold up the event loop."""
        ...

    async def make_durable(self) -> None:
        """Return when everything committed before the call has reached the disk."""
        ...

    async def close(self) -> None:
        """Finish what runs and let go of the files or connections."""
        ...


def insert(connection: Connection, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    """Return the dialect's INSERT, which has `on_conflict_do_nothing` and `…_do_update`."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


async def open_database(url: str, schema: Schema, *, durable: bool = False) -> Database:
    """Open, create or migrate the database of one component.

    `url` is `sqlite:///path/to/folder` (one file per component in it), `sqlite://` (memory) or
    `postgresql://…` (one schema per component in it). `durable` makes every commit reach the disk
    before it is acknowledged: for tables that no log can rebuild.
    """
    if url.startswith("sqlite"):
        return await _SqliteDatabase.open(url, schema, durable=durable)
    return await _PostgresDatabase.open(url, schema)


def _migrate(connection: Connection, schema: Schema) -> None:
    versions = sa.Table(
        "schema_version",
        sa.MetaData(),
        sa.Column("component", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    versions.create(connection, checkfirst=True)
    mine = versions.c.component == schema.name
    found = connection.execute(sa.select(versions.c.version).where(mine)).scalar()
    if found is None:
        schema.metadata.create_all(connection)
        connection.execute(
            sa.insert(versions).values(component=schema.name, version=schema.version)
        )
        return
    if found > schema.version:
        raise SchemaTooNew(
            f"The {schema.name} database has schema version {found}, this server knows up to "
            f"{schema.version}: run a newer Xylem, or restore the backup from before the upgrade."
        )
    for migration in schema.migrations[found - 1 :]:
        migration(connection)
    connection.execute(sa.update(versions).where(mine).values(version=schema.version))


_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8000",
    "PRAGMA busy_timeout=5000",
    # The checkpoint fsyncs: `make_durable` does it in a thread. This bound is for when it lags.
    "PRAGMA wal_autocheckpoint=20000",
)
_WRITES_BETWEEN_CHECKPOINTS: Final = 500


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


class _SqliteDatabase:
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
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix=f"write-{name}")
        self._threads = ThreadPoolExecutor(2, thread_name_prefix=f"read-{name}")
        self._checkpoint: asyncio.Future[None] | None = None
        self._writes = 0

    @classmethod
    async def open(cls, url: str, schema: Schema, *, durable: bool) -> "_SqliteDatabase":
        folder = url.removeprefix("sqlite://").removeprefix("/")
        path = ":memory:"
        if folder not in {"", ":memory:"}:
            await asyncio.to_thread(Path(folder).mkdir, parents=True, exist_ok=True)
            path = str(Path(folder) / f"{schema.name}.db")
        database = cls(path, schema.name, durable=durable)
        await database.write(lambda connection: _migrate(connection, schema), durable=True)
        return database

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        if self._durable:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._writer_thread, self._write, work, "FULL")
        result = self._write(work, "FULL" if durable else "NORMAL")
        self._writes += 1
        if self._writes >= _WRITES_BETWEEN_CHECKPOINTS and not self._in_memory:
            self._writes = 0
            self._start_checkpoint()
        return result

    def _write(self, work: Callable[[Connection], T], synchronous: str) -> T:
        try:
            if synchronous != self._synchronous:
                raw = self._writer.connection.dbapi_connection
                if raw is not None:
                    raw.cursor().execute(f"PRAGMA synchronous={synchronous}")
                self._writer.rollback()
                self._synchronous = synchronous
            with self._writer.begin():
                return work(self._writer)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise DatabaseOutage(str(error.orig)) from error

    async def read(self, work: Callable[[Connection], T], *, heavy: bool = False) -> T:
        try:
            if heavy and not self._in_memory:
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
        # PASSIVE waits for nobody. It fsyncs the log first, which makes all of it durable.
        raw = self._read_engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            raw.close()

    async def close(self) -> None:
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        self._writer_thread.shutdown(wait=True)
        self._threads.shutdown(wait=True)
        self._reader.close()
        self._writer.close()
        self._read_engine.dispose()
        self._write_engine.dispose()


class _PostgresDatabase:
    """One schema of a PostgreSQL server, through asyncpg."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, url: str, schema: Schema) -> "_PostgresDatabase":
        _, _, address = url.partition("://")
        engine = create_async_engine(
            f"postgresql+asyncpg://{address}",
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
            connect_args={"server_settings": {"search_path": schema.name}},
        )
        database = cls(engine)

        def prepare(connection: Connection) -> None:
            # Several processes may start at once: one of them makes the schema, the rest wait.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7269476)")
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"')
            _migrate(connection, schema)

        try:
            await database.write(prepare)
        except BaseException:
            await engine.dispose()
            raise
        return database

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        del durable  # every commit is
        return await self._transact(work)

    async def read(self, work: Callable[[Connection], T], *, heavy: bool = False) -> T:
        del heavy  # none holds up the event loop

        def snapshot(connection: Connection) -> T:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return work(connection)

        return await self._transact(snapshot)

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            raise DatabaseOutage(str(error.orig)) from error
        except OSError as error:
            raise DatabaseOutage(f"The database does not answer: {error}") from error

    async def make_durable(self) -> None:
        """Return at once: every commit has been durable."""

    async def close(self) -> None:
        await self._engine.dispose()
