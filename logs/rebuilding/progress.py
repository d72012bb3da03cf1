"""How far a copy of the tables is made, kept in the copy itself."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection, Schema
from logs.rebuilding import RebuildRefused

_METADATA: Final = sa.MetaData()

_PROGRESS: Final = sa.Table(
    "rebuild_progress",
    _METADATA,
    sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
    # The run of the command that may write: an older one that still lives may not.
    sa.Column("run", sa.Text, nullable=False),
    # Of the log that the offsets are of.
    sa.Column("generation", sa.Text, nullable=False),
    sa.Column("cursor", sa.LargeBinary, nullable=False),
)

REBUILDING_SCHEMA: Final = Schema("rebuilding", _METADATA)
"""A part of the schema of each reader that can be made again."""

_ONE: Final = 1


class RebuildTaken(RebuildRefused):
    """Another run of the command goes on with this rebuild."""


def select_generation(connection: Connection) -> str | None:
    """Return of which log the copy is; `None` before anything is in it."""
    found: str | None = connection.execute(sa.select(_PROGRESS.c.generation)).scalar()
    return found


def select_cursor(connection: Connection) -> bytes | None:
    """Return how far the copy is; `None` before anything is in it."""
    found: bytes | None = connection.execute(sa.select(_PROGRESS.c.cursor)).scalar()
    return found


def insert_progress(connection: Connection, run: str, generation: str, cursor: bytes) -> None:
    """Begin with an empty copy."""
    connection.execute(
        sa.insert(_PROGRESS).values(only=_ONE, run=run, generation=generation, cursor=cursor)
    )


def update_run(connection: Connection, run: str) -> None:
    """Let this run go on, and no other."""
    connection.execute(sa.update(_PROGRESS).values(run=run))


def update_progress(connection: Connection, run: str, before: bytes, after: bytes) -> None:
    """Note what has been written. Raises `RebuildTaken` if it is not this run's turn."""
    moved = connection.execute(
        sa.update(_PROGRESS)
        .where(_PROGRESS.c.run == run, _PROGRESS.c.cursor == before)
        .values(cursor=after)
    )
    if moved.rowcount != 1:
        raise RebuildTaken("Another run of this command goes on with the rebuild.")
