"""PostgreSQL: one schema per component, through asyncpg."""

from collections.abc import Callable
from typing import Final, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from base.database.interface import DatabaseOutage
from base.database.schema import Schema, migrate, require_version

T = TypeVar("T")

_OUTAGES: Final = ("08", "25P03", "28", "3D", "53", "57", "58")
"""Classes of SQLSTATE: connection lost, transaction idle for too long, login refused, no such
database, out of disk, memory or connections, shutting down or starting, system error."""
_IDLE_IN_TRANSACTION_S: Final = 10
"""How long a process may stand still, or be cut off, with locks that others wait for. A working one
pauses between two statements for as long as it takes to process a batch."""


class PostgresDatabase:
    """One schema of a PostgreSQL server, through asyncpg."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, url: str, schema: Schema, *, may_migrate: bool) -> "PostgresDatabase":
        """Connect, and make or migrate the tables in the schema of this name."""
        _, _, address = url.partition("://")
        engine = create_async_engine(
            f"postgresql+asyncpg://{address}",
            pool_size=8,
            max_overflow=8,
            pool_pre_ping=True,
            connect_args={
                "server_settings": {
                    "search_path": schema.name,
                    "idle_in_transaction_session_timeout": f"{_IDLE_IN_TRANSACTION_S}s",
                }
            },
        )
        database = cls(engine)

        def prepare(connection: Connection) -> None:
            if not may_migrate:
                require_version(connection, schema)
                return
            # Several processes may start at once: one of them makes the schema, the rest wait.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7269476)")
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"')
            migrate(connection, schema)

        try:
            await database.write(prepare)
        except BaseException:
            await engine.dispose()
            raise
        return database

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in one transaction (`Database.write`)."""
        del durable  # every commit is
        return await self._transact(work)

    async def read(self, work: Callable[[Connection], T], *, heavy: bool = False) -> T:
        """Run `work` in one read snapshot (`Database.read`)."""
        del heavy  # none holds up the event loop

        def snapshot(connection: Connection) -> T:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return work(connection)

        return await self._transact(snapshot)

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except sa.exc.DBAPIError as error:
            if (
                isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
                or error.connection_invalidated
                or _is_outage(error.orig)
            ):
                raise DatabaseOutage(str(error.orig)) from error
            raise
        except asyncpg.PostgresError as error:
            # Connecting is refused in asyncpg's own words.
            if _is_outage(error):
                raise DatabaseOutage(str(error)) from error
            raise
        except (OSError, TimeoutError, sa.exc.TimeoutError) as error:
            raise DatabaseOutage(f"The database does not answer: {error}") from error

    async def make_durable(self) -> None:
        """Return at once: every commit has been durable."""

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _is_outage(error: BaseException | None) -> bool:
    state: str | None = getattr(error, "sqlstate", None)
    return state is not None and state.startswith(_OUTAGES)
