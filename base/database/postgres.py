"""PostgreSQL: one schema per component, through asyncpg."""

from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from base.database import together
from base.database.interface import WAITING_HEAVY_READS, DatabaseDamaged, DatabaseOutage
from base.database.pace import SlicedPace, at_pace
from base.database.schema import Schema, prepare
from base.fair_turns import FairTurns
from base.slices import Slices

T = TypeVar("T")

_OUTAGES: Final = ("08", "25006", "25P03", "28", "3D", "40", "53", "55P03", "57", "58")
"""Classes of SQLSTATE: connection lost, read only, transaction idle for too long, login refused, no
such database, undone for another transaction's sake, out of disk, memory or connections, a lock
that was not given, cancelled or shutting down or starting, system error."""
_DAMAGES: Final = ("XX001", "XX002")
"""A table or an index that is corrupt."""
_IDLE_IN_TRANSACTION_S: Final = 10
"""How long a process may stand still, or be cut off, with locks that others wait for. A working one
pauses between two statements for as long as it takes to process a batch."""

_CONNECTIONS: Final = 8
"""Kept open; as many more are opened where they are short. Heavy reads leave half of all free."""
_IDLE_S: Final = 1.0
_USED_AT: Final = "xylem_used_at"


class PostgresDatabase:
    """One schema of a PostgreSQL server, through asyncpg."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # Part of the BEGIN, which costs no round trip of its own.
        self._snapshots = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._pace = SlicedPace(Slices())
        self._heavy = FairTurns(
            at_once=_CONNECTIONS, at_once_per_key=2, waiting_per_key=WAITING_HEAVY_READS
        )

    @classmethod
    async def open(
        cls, url: str, schema: Schema, *, may_migrate: bool, server_name: str | None
    ) -> "PostgresDatabase":
        """Connect, and make or migrate the tables in the schema of this place."""
        database = cls(_engine(url, schema))

        def work(connection: Connection) -> None:
            if may_migrate:
                # Several processes may start at once: one of them makes the schema, the rest wait.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7269476)")
                connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema.place}"')
            prepare(connection, schema, server_name, may_migrate=may_migrate)

        try:
            await database.write(work)
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def drop(cls, url: str, schema: Schema) -> None:
        """Delete the schema of this place with its tables; not to find it is no error."""
        database = cls(_engine(url, schema))
        try:
            await database.write(
                lambda connection: connection.exec_driver_sql(
                    f'DROP SCHEMA IF EXISTS "{schema.place}" CASCADE'
                ).close()
            )
        finally:
            await database.close()

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction (`Database.write`)."""
        del durable  # every commit is

        def whole(connection: Connection) -> T:
            together.begin(connection)
            try:
                result = work(connection)
                together.finish(connection)
            finally:
                together.abandon(connection)
            return result

        return await self._transact(whole)

    async def read(
        self,
        work: Callable[[Connection], T],
        *,
        heavy_for: str | None = None,
        begins_light: bool = False,
    ) -> T:
        """Run `work` in one read snapshot (`Database.read`)."""

        def paced(connection: Connection) -> T:
            return at_pace(connection, self._pace, work)

        if heavy_for is None or begins_light:
            return await self._transact(paced, self._snapshots)
        async with self._heavy.turn(heavy_for):
            return await self._transact(paced, self._snapshots)

    async def _transact(
        self, work: Callable[[Connection], T], engine: AsyncEngine | None = None
    ) -> T:
        try:
            async with (engine or self._engine).begin() as connection:
                return await connection.run_sync(work)
        except sa.exc.DBAPIError as error:
            told = _told(error.orig, is_lost=error.connection_invalidated)
            if told is None:
                raise
            raise told from error
        except asyncpg.PostgresError as error:
            # Connecting is refused in asyncpg's own words.
            told = _told(error)
            if told is None:
                raise
            raise told from error
        except (OSError, TimeoutError, sa.exc.TimeoutError) as error:
            raise DatabaseOutage(f"The database does not answer: {error}") from error

    async def make_durable(self) -> None:
        """Return at once: every commit has been durable."""

    async def erase_deleted(self) -> None:
        """Return at once: PostgreSQL overwrites by VACUUM (`Database.erase_deleted`)."""

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _engine(url: str, schema: Schema) -> AsyncEngine:
    _, _, address = url.partition("://")
    engine = create_async_engine(
        f"postgresql+asyncpg://{address}",
        hide_parameters=True,
        pool_size=_CONNECTIONS,
        max_overflow=_CONNECTIONS,
        connect_args={
            "server_settings": {
                "search_path": schema.place,
                "idle_in_transaction_session_timeout": f"{_IDLE_IN_TRANSACTION_S}s",
            }
        },
    )
    _ping_when_idle(engine)
    return engine


def _ping_when_idle(engine: AsyncEngine) -> None:
    """Let a connection that was not used for a while prove itself before it is used again.

    To ask one that has just been used costs every transaction a round trip, and finds little.
    """
    dialect = engine.sync_engine.dialect

    def note_use(_raw: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = monotonic()

    def ping(raw: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        if monotonic() - record.info.get(_USED_AT, monotonic()) < _IDLE_S:
            return
        try:
            dialect.do_ping(raw)
        except Exception as error:
            # The pool then opens another one.
            raise sa.exc.DisconnectionError from error

    sa.event.listen(engine.sync_engine, "checkin", note_use)
    sa.event.listen(engine.sync_engine, "checkout", ping)


def _told(
    error: BaseException | None, *, is_lost: bool = False
) -> DatabaseOutage | DatabaseDamaged | None:
    """Return what a caller is told of an error of the driver; `None` where it hears the error.

    What asyncpg itself refuses, as a number that its column cannot hold, has no SQLSTATE and is no
    outage.
    """
    state: str = getattr(error, "sqlstate", None) or ""
    if is_lost or state.startswith(_OUTAGES):
        return DatabaseOutage(str(error))
    return DatabaseDamaged(str(error)) if state in _DAMAGES else None
