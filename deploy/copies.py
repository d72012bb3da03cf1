"""Copies of client sync's tables: one serves, others are made or dropped."""

from base.database import Database, Schema, drop_database, open_database
from components.syncapi.assembly import REBUILDS_SCHEMA, SCHEMA, query_serving


async def serving_schema(schema: Schema, url: str) -> Schema:
    """Return a component's schema, of client sync's copies the one that serves; makes nothing.

    Raises what `open_database` raises.
    """
    if schema.name != SCHEMA.name:
        return schema
    rebuilds = await open_database(url, REBUILDS_SCHEMA, may_migrate=False)
    try:
        return schema.numbered(await query_serving(rebuilds))
    finally:
        await rebuilds.close()


class StoredCopies:
    """Opens, makes and drops copies in one place (`components.syncapi.projection.rebuild`)."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self, schema: Schema, *, may_migrate: bool) -> Database:
        """Return the database, which the caller closes."""
        return await open_database(self._url, schema, may_migrate=may_migrate)

    async def drop(self, schema: Schema) -> None:
        """Delete the tables; not to find them is no error."""
        await drop_database(self._url, schema)
