"""A component's database: SQLite on the event loop, or PostgreSQL through asyncpg.

Store code is plain functions over a SQLAlchemy `Connection`; a transaction is one such function
handed to `write` or `read`. On SQLite it runs where it is called: derived tables commit without
an fsync (WAL, synchronous NORMAL), so a batch costs its CPU time and no thread hop. On PostgreSQL
the same function runs in a greenlet over the asynchronous driver.
"""

from sqlalchemy.engine import Connection

from base.database.interface import Database, DatabaseDamaged, DatabaseOutage
from base.database.key_counts import cut_to_sizes
from base.database.pace import Pace, pace_of, paced
from base.database.pages import page_after
from base.database.partial_index import partial_index
from base.database.schema import (
    Migration,
    OtherServer,
    Schema,
    SchemaToBeRebuilt,
    SchemaTooNew,
    SchemaTooOld,
)
from base.database.sqlite import SqliteDatabase
from base.database.sqlite_copy import copy_sqlite
from base.database.statements import (
    Insert,
    InsertRows,
    SelectByKeys,
    Statement,
    insert,
    insert_for,
    insert_into,
    insert_new_into,
    upsert_into,
)
from base.database.timed import TimedDatabase

__all__ = [
    "Connection",
    "Database",
    "DatabaseDamaged",
    "DatabaseOutage",
    "Insert",
    "InsertRows",
    "Migration",
    "OtherServer",
    "Pace",
    "Schema",
    "SchemaToBeRebuilt",
    "SchemaTooNew",
    "SchemaTooOld",
    "SelectByKeys",
    "Statement",
    "TimedDatabase",
    "copy_sqlite",
    "cut_to_sizes",
    "drop_database",
    "insert",
    "insert_for",
    "insert_into",
    "insert_new_into",
    "open_database",
    "pace_of",
    "paced",
    "page_after",
    "partial_index",
    "upsert_into",
]


async def open_database(
    url: str,
    schema: Schema,
    *,
    durable: bool = False,
    may_migrate: bool = True,
    server_name: str | None = None,
) -> Database:
    """Open, create or migrate the database of one component.

    `url` is `sqlite:///path/to/folder` (one file per component in it), `sqlite://` (memory) or
    `postgresql://…` (one schema per component in it). `durable` makes every commit reach the disk
    before it is acknowledged: for tables that no log can rebuild. `server_name` is whose tables
    they are from now on. Raises `DatabaseOutage`, `DatabaseDamaged`, `OtherServer`, `SchemaTooNew`,
    `SchemaToBeRebuilt`, and without `may_migrate` `SchemaTooOld`.
    """
    if url.startswith("sqlite"):
        return await SqliteDatabase.open(
            url, schema, durable=durable, may_migrate=may_migrate, server_name=server_name
        )
    # Its driver costs a process memory that SQLite's does without.
    from base.database.postgres import PostgresDatabase  # noqa: PLC0415

    return await PostgresDatabase.open(
        url, schema, may_migrate=may_migrate, server_name=server_name
    )


async def drop_database(url: str, schema: Schema) -> None:
    """Delete a component's tables, of this copy alone; not to find them is no error.

    With SQLite nobody may have them open. Raises `DatabaseOutage`.
    """
    if url.startswith("sqlite"):
        await SqliteDatabase.drop(url, schema)
        return
    from base.database.postgres import PostgresDatabase  # noqa: PLC0415 (as above)

    await PostgresDatabase.drop(url, schema)
