"""The tables of relations: every child by its parent, and what is counted of a parent's children.

Ancestors are kept with a child, so that a page of all that relates to an event, however
indirectly, reads as many rows as it shows. Counts are kept so that no summary reads all children.
A parent need not be known, and may be in another room: only children of its own room are asked.
"""

from typing import Any, Final

import sqlalchemy as sa

from base.database import partial_index
from components.syncapi.store.tables import METADATA

RELATIONS: Final = sa.Table(
    "relations",
    METADATA,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, nullable=False),
    sa.Column("parent_id", sa.Text, nullable=False),
    sa.Column("grandparent_id", sa.Text),
    sa.Column("great_grandparent_id", sa.Text),
    sa.Column("rel_type", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("stream_order", sa.BigInteger, nullable=False),
    sa.Column("is_restricted", sa.SmallInteger, nullable=False),
    sa.Column("edit_rank", sa.LargeBinary),
    sa.Column("annotation", sa.LargeBinary),
    sa.Index("relations_of_parent", "room_id", "parent_id", "stream_order"),
    sa.Index("relations_of_kind", "parent_id", "rel_type", "room_id", "stream_order"),
)

RELATION_GROUPS: Final = sa.Table(
    "relation_groups",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("parent_id", sa.Text, primary_key=True),
    sa.Column("rel_type", sa.Text, primary_key=True),
    sa.Column("children", sa.BigInteger, nullable=False),
    sa.Column("latest_order", sa.BigInteger, nullable=False),
    # Not after the first child: a redaction leaves it.
    sa.Column("oldest_order", sa.BigInteger, nullable=False),
    # Whether there ever was a child that not every member may see.
    sa.Column("is_restricted", sa.SmallInteger, nullable=False),
)

THREAD_SENDERS: Final = sa.Table(
    "thread_senders",
    METADATA,
    sa.Column("room_id", sa.Text, primary_key=True),
    sa.Column("parent_id", sa.Text, primary_key=True),
    sa.Column("sender", sa.Text, primary_key=True),
    sa.Column("children", sa.BigInteger, nullable=False),
    sa.Column("latest_order", sa.BigInteger, nullable=False),
    sa.Index("latest_thread_senders", "room_id", "parent_id", "latest_order"),
)

_C: Final = RELATIONS.c
_G: Final = RELATION_GROUPS.c


def _index(name: str, only: sa.ColumnElement[bool], *columns: sa.Column[Any]) -> None:
    partial_index(name, *columns, where=only)


_index(
    "relations_of_grandparent",
    _C.grandparent_id.isnot(None),
    *(_C.grandparent_id, _C.room_id, _C.stream_order),
)
_index(
    "relations_of_great_grandparent",
    _C.great_grandparent_id.isnot(None),
    *(_C.great_grandparent_id, _C.room_id, _C.stream_order),
)
_index(
    "edits",
    _C.edit_rank.isnot(None),
    *(_C.parent_id, _C.room_id, _C.sender, _C.type, _C.edit_rank),
)
_index(
    "thread_events_of_sender",
    _C.rel_type == sa.literal_column("'m.thread'"),
    *(_C.parent_id, _C.room_id, _C.sender, _C.stream_order),
)
_index(
    "annotations",
    _C.annotation.isnot(None),
    *(_C.parent_id, _C.sender, _C.annotation),
)
_index(
    "threads_of_room",
    _G.rel_type == sa.literal_column("'m.thread'"),
    *(_G.room_id, _G.latest_order),
)
