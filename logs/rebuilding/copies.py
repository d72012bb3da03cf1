"""Which copy of a reader's tables serves, and which ones are made or given up.

This table is apart from the copies: whoever serves looks here whether its copy still does.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from base.database import Connection, Schema, insert
from logs.rebuilding import RebuildRefused

BUILDING: Final = "building"
SERVING: Final = "serving"
RETIRED: Final = "retired"
"""Nobody begins to serve it any more: it is dropped."""

FIRST_COPY: Final = 0
"""What serves before anything was rebuilt."""

_METADATA: Final = sa.MetaData()

_REBUILDS: Final = sa.Table(
    "rebuilds",
    _METADATA,
    # Of the copy. The number of one that has served is never given again: tokens have it.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
)


def rebuilds_schema(reader: str) -> Schema:
    """Return where a reader, by the name of its schema, has the one table here."""
    return Schema(f"{reader}_rebuilds", _METADATA)


class SwitchRefused(RebuildRefused):
    """The copy is not one that is being made: another process has finished it, or given it up."""


def select_copies(connection: Connection) -> Mapping[int, str]:
    """Return the states of all copies that there are or may be, without one that always served."""
    rows = connection.execute(sa.select(_REBUILDS.c.number, _REBUILDS.c.state))
    return {number: state for number, state in rows}  # noqa: C416 (a row is no pair)


def select_serving(connection: Connection) -> int:
    """Return the number of the copy that serves."""
    query = sa.select(_REBUILDS.c.number).where(_REBUILDS.c.state == SERVING)
    number: int | None = connection.execute(query).scalar()
    return FIRST_COPY if number is None else number


def insert_copy(connection: Connection) -> int:
    """Note that a further copy is being made, and return its number."""
    last: int | None = connection.execute(sa.select(sa.func.max(_REBUILDS.c.number))).scalar()
    number = FIRST_COPY + 1 if last is None else last + 1
    connection.execute(sa.insert(_REBUILDS).values(number=number, state=BUILDING))
    return number


def update_serving(connection: Connection, number: int) -> None:
    """Let a copy that has been made serve, and no other. Raises `SwitchRefused`."""
    before = select_serving(connection)
    moved = connection.execute(
        sa.update(_REBUILDS)
        .where(_REBUILDS.c.number == number, _REBUILDS.c.state == BUILDING)
        .values(state=SERVING)
    )
    if moved.rowcount != 1:
        raise SwitchRefused(f"Copy {number} of the tables is not being made any more.")
    connection.execute(
        insert(connection, _REBUILDS)
        .values(number=before, state=RETIRED)
        .on_conflict_do_update(index_elements=[_REBUILDS.c.number], set_={"state": RETIRED})
    )


def update_retired(connection: Connection, number: int) -> None:
    """Give up a copy that was being made."""
    connection.execute(
        sa.update(_REBUILDS)
        .where(_REBUILDS.c.number == number, _REBUILDS.c.state == BUILDING)
        .values(state=RETIRED)
    )


def delete_copy(connection: Connection, number: int) -> None:
    """Forget a retired copy that has been dropped."""
    connection.execute(
        sa.delete(_REBUILDS).where(_REBUILDS.c.number == number, _REBUILDS.c.state == RETIRED)
    )
