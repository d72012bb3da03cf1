"""The tables of a component, and how those of an older version become these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database.statements import insert

Migration = Callable[[Connection], None]


class SchemaTooNew(Exception):
    """The database was written by a newer version of the server."""


class SchemaTooOld(Exception):
    """The database was written by an older version of the server, or not at all."""


class SchemaToBeRebuilt(SchemaTooOld):
    """The tables are of a version that no migration leads on from: they have to be made again."""

    def __init__(self, message: str, schema_name: str) -> None:
        super().__init__(message)
        self.schema_name = schema_name


class OtherServer(Exception):
    """The database is that of a server with another name."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one component and how older ones become these.

    `migrations[n]` takes a database from version n + 1 to n + 2; a new database is made from
    `metadata` at the latest version.
    """

    name: str
    metadata: sa.MetaData
    migrations: Sequence[Migration] = field(default=())
    parts: "Sequence[Schema]" = field(default=())
    """Tables beside these, which others define and give versions of their own."""
    oldest: int = 1
    """The oldest version that migrations lead on from. Derived tables of an older one, whose rows
    would have to be worked out again, are made again from what they are derived from."""
    copy: int = 0
    """The number of the copy of these tables: copies lie beside each other."""

    def numbered(self, copy: int) -> "Schema":
        """Return the same tables as the copy of this number."""
        return replace(self, copy=copy)

    @property
    def place(self) -> str:
        """The name under which the database has this copy."""
        return f"{self.name}_{self.copy}" if self.copy else self.name

    @property
    def version(self) -> int:
        """The version that this code reads and writes."""
        return len(self.migrations) + 1


def prepare(
    connection: Connection, schema: Schema, server_name: str | None, *, may_migrate: bool
) -> None:
    """Make the tables what this version needs, or raise why they are not.

    Raises `SchemaTooOld` (without `may_migrate`), `SchemaToBeRebuilt`, `SchemaTooNew` and
    `OtherServer`.
    """
    # First: tables of another server are left as they are.
    if server_name is not None:
        claim(connection, schema, server_name, may_write=may_migrate)
    if may_migrate:
        migrate(connection, schema)
    else:
        require_version(connection, schema)


def migrate(connection: Connection, schema: Schema) -> None:
    """Create the tables, or bring those of an older version up to date."""
    _VERSIONS.create(connection, checkfirst=True)
    versions = _select_versions(connection, schema)
    for part in (schema, *schema.parts):
        found = versions.get(part.name)
        if found is None:
            part.metadata.create_all(connection)
        else:
            _refuse_far(schema, part, found)
            for migration in part.migrations[found - 1 :]:
                migration(connection)
        _set_version(connection, part)


def require_version(connection: Connection, schema: Schema) -> None:
    """Raise `SchemaTooOld` or `SchemaTooNew` unless the tables are of this version."""
    is_there = sa.inspect(connection).has_table(_VERSIONS.name)
    versions = _select_versions(connection, schema) if is_there else {}
    for part in (schema, *schema.parts):
        found = versions.get(part.name)
        if found is None:
            raise SchemaTooOld(f"The {schema.name} database has no {_of(schema, part)}tables yet.")
        _refuse_far(schema, part, found)
        if found < part.version:
            raise SchemaTooOld(
                f"The {schema.name} database has {_of(schema, part)}schema version {found}, this "
                f"server needs {part.version}."
            )


def claim(connection: Connection, schema: Schema, server_name: str, *, may_write: bool) -> None:
    """Raise `OtherServer` if the tables are another server's; those of nobody become this one's."""
    if may_write:
        _SERVER.create(connection, checkfirst=True)
    elif not sa.inspect(connection).has_table(_SERVER.name):
        return
    found = connection.execute(sa.select(_SERVER.c.server_name)).scalar()
    if found is None and may_write:
        connection.execute(sa.insert(_SERVER).values(server_name=server_name))
    elif found not in {None, server_name}:
        raise OtherServer(
            f"The {schema.name} database is that of the server {found}, not of {server_name}."
        )


_SERVER: Final = sa.Table(
    "server", sa.MetaData(), sa.Column("server_name", sa.Text, primary_key=True)
)

_VERSIONS: Final = sa.Table(
    "schema_version",
    sa.MetaData(),
    sa.Column("component", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


def _select_versions(connection: Connection, schema: Schema) -> Mapping[str, int]:
    """Return the versions of the schema and of its parts; what is not there has none."""
    rows = connection.execute(sa.select(_VERSIONS.c.component, _VERSIONS.c.version))
    versions: dict[str, int] = {component: version for component, version in rows}  # noqa: C416
    inspected = sa.inspect(connection)
    for part in schema.parts:
        # Parts of databases made before they had versions of their own are of the first one.
        if part.name not in versions and any(map(inspected.has_table, part.metadata.tables)):
            versions[part.name] = 1
    return versions


def _set_version(connection: Connection, part: Schema) -> None:
    row = {"component": part.name, "version": part.version}
    statement = insert(connection, _VERSIONS).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["component"], set_={"version": part.version}
        )
    )


def _refuse_far(schema: Schema, part: Schema, found: int) -> None:
    """Raise for a version that is newer than the code, and for one that cannot be migrated."""
    if found < part.oldest:
        raise SchemaToBeRebuilt(
            f"The {schema.name} database has {_of(schema, part)}schema version {found}: this "
            f"server needs {part.version}, and migrates from {part.oldest} on.",
            schema.name,
        )
    if found > part.version:
        raise SchemaTooNew(
            f"The {schema.name} database has {_of(schema, part)}schema version {found}, this "
            f"server knows up to {part.version}: run a newer Xylem, or restore the backup from "
            "before the upgrade."
        )


def _of(schema: Schema, part: Schema) -> str:
    return "" if part is schema else f"{part.name} "
