"""Making the tables of a reader again, as a further copy beside the one that serves.

For a component whose tables are derived: what the topics no longer have, the owners of the data
keep. Client sync is made again from the histories of rooms, users and receipts; search would be
from the history of rooms. The copy is filled from there, part by part, then from the topics until
it has caught up. One transaction lets it serve, and the processes of the reader, which look at it,
begin again with it. Until then nobody reads the new copy, so that a rebuild that is killed harms
nothing: it is run again, and goes on.
"""

from typing import NamedTuple, Protocol

from base.database import Database, Schema
from logs.log import Log


class RebuildRefused(Exception):
    """Another run makes these tables, or has made them."""


class RebuildProgress(NamedTuple):
    """How far a rebuild is."""

    doing: str
    """What is done now."""
    rooms: int
    """How many rooms are there again."""
    all_rooms: int
    records: int
    """How many records this run has written."""
    behind: int | None = None
    """How many records of the topics are still missing, while it catches up."""


class TableCopies(Protocol):
    """Opens, makes and drops copies of tables."""

    async def open(self, schema: Schema, *, may_migrate: bool) -> Database:
        """Return the database, which the caller closes.

        Raises `SchemaTooOld` where it is not there, or of an older version, and may not be made.
        """
        ...

    async def drop(self, schema: Schema) -> None:
        """Delete the tables; not to find them is no error."""
        ...


class RebuildGround(NamedTuple):
    """What a rebuild stands on."""

    log: Log
    register: Database
    """Which copy serves; opened with the reader's `rebuilds_schema`."""
    copies: TableCopies
