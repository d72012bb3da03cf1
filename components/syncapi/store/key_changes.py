"""Whose keys changed, and where in the log: for good, so that any two tokens can be compared."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement, insert_new_into
from components.syncapi.store.tables import METADATA

KEY_CHANGES: Final = sa.Table(
    "key_changes",
    METADATA,
    # Of OutputKeyChange, with the offset in it.
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stream_order", sa.BigInteger, primary_key=True, autoincrement=False),
    # Whose keys others see in another way now.
    sa.Column("user_id", sa.Text, primary_key=True),
    # Who alone is told of it; empty for all who share a room with the user.
    sa.Column("told_to", sa.Text, nullable=False),
)

_C: Final = KEY_CHANGES.c
_ALL: Final = ""
_INSERT: Final = insert_new_into(KEY_CHANGES)
_BETWEEN: Final = Statement(
    sa.select(_C.user_id, _C.told_to)
    .distinct()
    .where(
        _C.partition == sa.bindparam("partition"),
        _C.stream_order >= sa.bindparam("from_order"),
        _C.stream_order < sa.bindparam("to_order"),
        sa.or_(_C.told_to == _ALL, _C.told_to == sa.bindparam("reader")),
    )
)


class KeyChange(NamedTuple):
    """Keys of a user are others now, or look different to one user."""

    partition: int
    stream_order: int
    user_id: str
    told_to: str = _ALL
    """Who alone is told of it; empty for all who share a room with the user."""


def insert_key_changes(connection: Connection, changes: Iterable[KeyChange]) -> None:
    """Keep changes; those that are here already are left alone."""
    _INSERT.run_many(connection, [change._asdict() for change in changes])


def select_key_changes(
    connection: Connection, reader: str, starts: Sequence[int], ends: Sequence[int]
) -> tuple[set[str], set[str]]:
    """Return whose keys changed between two positions, of OutputKeyChange by partition.

    First those of whom all are told who share a room with them, then those of whom the reader is.
    """
    of_all: set[str] = set()
    of_reader: set[str] = set()
    for partition, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start < end:
            values = {
                "partition": partition,
                "from_order": start,
                "to_order": end,
                "reader": reader,
            }
            for user_id, told_to in _BETWEEN.rows(connection, values):
                (of_reader if told_to else of_all).add(user_id)
    return of_all, of_reader
