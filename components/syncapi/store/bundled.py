"""What is read of relations to bundle it with parents: what is counted, the latest, the newest."""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.relation_tables import (
    RELATION_GROUPS,
    RELATIONS,
    THREAD_SENDERS,
)
from components.syncapi.store.tables import EVENTS
from matrix.relations import REFERENCE

_C: Final = RELATIONS.c
_G: Final = RELATION_GROUPS.c
_S: Final = THREAD_SENDERS.c
_ONE: Final[sa.ColumnElement[int]] = sa.literal_column("1")
_ZERO: Final[sa.ColumnElement[int]] = sa.literal_column("0")
"""Of a value of its own SQLAlchemy would make a parameter."""

_GROUPS: Final = SelectByKeys(
    sa.select(
        _G.parent_id, _G.rel_type, _G.children, _G.latest_order, _G.oldest_order, _G.is_restricted
    ).where(_G.room_id == sa.bindparam("room_id")),
    _G.parent_id,
)


class RelationGroup(NamedTuple):
    """The children of an event that relate to it in one way."""

    parent_id: str
    rel_type: str
    children: int
    latest_order: int
    oldest_order: int
    """Not after the first child."""
    is_restricted: bool
    """Whether there may be children that not every member may see."""


def select_groups(
    connection: Connection, room_id: str, parent_ids: Collection[str]
) -> list[RelationGroup]:
    """Return what is counted of the children of these events, in no order."""
    rows = _GROUPS.rows(connection, parent_ids, {"room_id": room_id})
    return [RelationGroup(*row) for row in rows]


def _before_place(order: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    # A sum, for which there is no index: that of the ranks ends at the first that is found.
    return order + _ZERO < sa.bindparam("to_order")


def _edits_of(parents: sa.FromClause) -> sa.Select[Any]:
    """Return the ranks of what may replace an event of `parents`, the latest first."""
    edit, parent = RELATIONS.alias("edit"), parents.c
    return (
        sa.select(edit.c.event_id)
        .where(edit.c.parent_id == parent.event_id)
        .where(edit.c.room_id == parent.room_id)
        .where(edit.c.sender == parent.sender)
        .where(edit.c.type == parent.type)
        .where(edit.c.edit_rank.isnot(None))
        .where(_before_place(edit.c.stream_order))
        .order_by(edit.c.edit_rank.desc())
    )


_PARENT: Final = EVENTS.alias("parent")
_LATEST_EDITS: Final = SelectByKeys(
    sa.select(_PARENT.c.event_id, *EVENTS.c)
    .select_from(_PARENT)
    .join(
        EVENTS,
        EVENTS.c.event_id
        == _edits_of(_PARENT).limit(_ONE).offset(_ZERO).correlate(_PARENT).scalar_subquery(),
    ),
    _PARENT.c.event_id,
)
_SOME_EDITS: Final = Statement(
    sa.select(*EVENTS.c)
    .join(RELATIONS, _C.event_id == EVENTS.c.event_id)
    .where(_C.parent_id == sa.bindparam("parent_id"))
    .where(_C.room_id == sa.bindparam("room_id"))
    .where(_C.sender == sa.bindparam("sender"))
    .where(_C.type == sa.bindparam("type"))
    .where(_C.edit_rank.isnot(None))
    .where(_before_place(_C.stream_order))
    .order_by(_C.edit_rank.desc())
    .limit(sa.bindparam("row_limit"))
)


def select_latest_edits(
    connection: Connection, parent_ids: Collection[str], to_order: int
) -> dict[str, RoomEvent]:
    """Return by parent the latest edit before a place, for those that have a valid one.

    Whether the parent may be edited at all is for the caller to know.
    """
    rows = _LATEST_EDITS.rows(connection, parent_ids, {"to_order": to_order})
    return {row[0]: RoomEvent(*row[1:]) for row in rows}


def select_edits(
    connection: Connection, parent: RoomEvent, to_order: int, limit: int
) -> list[RoomEvent]:
    """Return the valid edits of an event before a place, the latest first."""
    rows = _SOME_EDITS.rows(
        connection,
        {
            "parent_id": parent.event_id,
            "room_id": parent.room_id,
            "sender": parent.sender,
            "type": parent.type,
            "to_order": to_order,
            "row_limit": limit,
        },
    )
    return [RoomEvent(*row) for row in rows]


_SENDERS: Final = SelectByKeys(
    sa.select(_S.parent_id, _S.sender, _S.children, _S.latest_order)
    .where(_S.room_id == sa.bindparam("room_id"))
    .where(_S.parent_id == sa.bindparam("parent_id")),
    _S.sender,
)
_PARTICIPATION: Final = SelectByKeys(
    sa.select(_S.parent_id)
    .where(_S.room_id == sa.bindparam("room_id"))
    .where(_S.sender == sa.bindparam("sender")),
    _S.parent_id,
)
_LATEST_SENDERS: Final = Statement(
    sa.select(_S.parent_id, _S.sender, _S.children, _S.latest_order)
    .where(_S.room_id == sa.bindparam("room_id"))
    .where(_S.parent_id == sa.bindparam("parent_id"))
    .order_by(_S.latest_order.desc())
    .limit(sa.bindparam("row_limit"))
)


class ThreadSender(NamedTuple):
    """What one user has sent to a thread."""

    parent_id: str
    sender: str
    children: int
    latest_order: int


def select_thread_senders(
    connection: Connection, room_id: str, parent_id: str, senders: Collection[str]
) -> list[ThreadSender]:
    """Return what those of the users sent to a thread who sent anything, in no order."""
    values = {"room_id": room_id, "parent_id": parent_id}
    return [ThreadSender(*row) for row in _SENDERS.rows(connection, senders, values)]


def select_participation(
    connection: Connection, room_id: str, parent_ids: Collection[str], sender: str
) -> set[str]:
    """Return those of the threads that the user has sent something to."""
    values = {"room_id": room_id, "sender": sender}
    return {row[0] for row in _PARTICIPATION.rows(connection, parent_ids, values)}


def select_latest_senders(
    connection: Connection, room_id: str, parent_id: str, limit: int
) -> list[ThreadSender]:
    """Return who sent to a thread last, the latest first."""
    rows = _LATEST_SENDERS.rows(
        connection, {"room_id": room_id, "parent_id": parent_id, "row_limit": limit}
    )
    return [ThreadSender(*row) for row in rows]


_AT_ORDERS: Final = SelectByKeys(
    sa.select(*EVENTS.c).where(EVENTS.c.room_id == sa.bindparam("room_id")),
    EVENTS.c.stream_order,
)


def select_at_orders(
    connection: Connection, room_id: str, orders: Collection[int]
) -> dict[int, RoomEvent]:
    """Return events of a room's timeline by their orders."""
    rows = _AT_ORDERS.rows(connection, orders, {"room_id": room_id})
    events = [RoomEvent(*row) for row in rows]
    return {event.order: event for event in events}


_OTHER: Final = RELATIONS.alias("other")
_FIRST_SHOWN: Final = (
    sa.select(_OTHER.c.stream_order)
    .where(_OTHER.c.parent_id == _G.parent_id)
    .where(_OTHER.c.room_id == _G.room_id)
    .where(_OTHER.c.rel_type == sa.bindparam("rel_type"))
    .where(_OTHER.c.stream_order < sa.bindparam("to_order"))
    .order_by(_OTHER.c.stream_order.desc())
    .limit(_ONE)
    .offset(sa.bindparam("skipped"))
    .correlate(RELATION_GROUPS)
    .scalar_subquery()
)
_REFERENCES: Final = SelectByKeys(
    sa.select(_C.parent_id, _C.event_id, _C.sender, _C.stream_order, _C.is_restricted)
    .select_from(RELATION_GROUPS)
    .join(
        RELATIONS,
        sa.and_(
            _C.parent_id == _G.parent_id,
            _C.room_id == _G.room_id,
            _C.rel_type == sa.bindparam("rel_type"),
            _C.stream_order < sa.bindparam("to_order"),
            _C.stream_order >= sa.func.coalesce(_FIRST_SHOWN, _G.oldest_order),
        ),
    )
    .where(_G.room_id == sa.bindparam("room_id"))
    .where(_G.rel_type == sa.bindparam("rel_type"))
    .order_by(_C.stream_order),
    _G.parent_id,
)


class Reference(NamedTuple):
    """An event that refers to another."""

    parent_id: str
    event_id: str
    sender: str
    stream_order: int
    is_restricted: bool
    """Whether not every member of the room may see it."""


def select_references(
    connection: Connection, room_id: str, parent_ids: Collection[str], to_order: int, limit: int
) -> list[Reference]:
    """Return of each event the newest that refer to it before a place, oldest first."""
    values = {
        "room_id": room_id,
        "rel_type": REFERENCE,
        "to_order": to_order,
        "skipped": limit - 1,
    }
    return [Reference(*row) for row in _REFERENCES.rows(connection, parent_ids, values)]
