"""The tables of a component, and how those of an older version become these."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

Migration = Callable[[Connection], None]


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


def migrate(connection: Connection, schema: Schema) -> None:
    """Create the tables, or bring those of an older version up to date."""
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
