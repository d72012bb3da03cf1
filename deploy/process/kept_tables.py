"""The tables of components: their schemas, and of those with several copies the one that serves."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from base.database import Database, Schema, drop_database, open_database
from deploy.catalogue import CATALOGUE
from deploy.process import starting
from deploy.process.data_directory import DataDirectory
from deploy.watching.readiness import Readiness
from describing.component import Component
from describing.tables import Keeps, Tables
from logs.rebuilding.copies import rebuilds_schema, select_serving
from logs.topics import Topic


class KeptTables(NamedTuple):
    """What a component keeps."""

    component: Component
    tables: Tables

    @property
    def name(self) -> str:
        """The component's name, and that of its consumers and its schema."""
        return self.component.name

    @property
    def is_derived(self) -> bool:
        """Whether it can be made again: of such tables several copies may lie beside each other."""
        return self.tables.keeps is Keeps.DERIVED


KEPT: Final = tuple(KeptTables(one, one.tables) for one in CATALOGUE if one.tables is not None)
"""Of all components that keep anything."""


class ConsumerPlace(NamedTuple):
    """A consumer that keeps its positions in a component's tables."""

    kept: KeptTables
    topic: Topic[Any]

    @property
    def name(self) -> str:
        """The consumer's name."""
        return self.kept.name


CONSUMERS: Final = tuple(
    ConsumerPlace(kept, topic) for kept in KEPT for topic in kept.component.consumes
)
"""Who reads which topic, and where the positions are."""


def all_schemas() -> Iterator[Schema]:
    """Yield the schemas of all components, of copied tables also that of their register."""
    for component, tables in KEPT:
        yield tables.schema()
        if tables.rebuild is not None:
            yield rebuilds_schema(component.name)


async def serving_schema(kept: KeptTables, url: str) -> Schema:
    """Return the schema of tables, of several copies the one that serves; makes nothing.

    Raises what `open_database` raises.
    """
    schema = kept.tables.schema()
    if not kept.is_derived:
        return schema
    register = await open_database(url, rebuilds_schema(kept.name), may_migrate=False)
    try:
        return schema.numbered(await register.read(select_serving))
    finally:
        await register.close()


async def made_serving_schema(
    kept: KeptTables, directory: DataDirectory, readiness: Readiness
) -> Schema:
    """Return the same where it is made or migrated, if need be, what says which copy serves."""
    schema = kept.tables.schema()
    if not kept.is_derived:
        return schema
    async with starting.database(directory, rebuilds_schema(kept.name), readiness) as register:
        return schema.numbered(await register.read(select_serving))


class StoredCopies:
    """Opens, makes and drops copies in one place (`logs.rebuilding.TableCopies`)."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self, schema: Schema, *, may_migrate: bool) -> Database:
        """Return the database, which the caller closes."""
        return await open_database(self._url, schema, may_migrate=may_migrate)

    async def drop(self, schema: Schema) -> None:
        """Delete the tables; not to find them is no error."""
        await drop_database(self._url, schema)
