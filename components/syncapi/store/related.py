"""What is read of relations in pages: children of an event, threads of a room, and annotations."""

from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.relation_tables import RELATION_GROUPS, RELATIONS
from components.syncapi.store.tables import EVENTS
from matrix.relations import THREAD

_C: Final = RELATIONS.c
_G: Final = RELATION_GROUPS.c


def _children(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(_C.rel_type, *EVENTS.c)
        .join(EVENTS, EVENTS.c.event_id == _C.event_id)
        .where(condition)
        .where(_C.room_id == sa.bindparam("room_id"))
        .where(_C.stream_order >= sa.bindparam("from_order"))
        .where(_C.stream_order < sa.bindparam("to_order"))
        .limit(sa.bindparam("row_limit"))
    )


def _both_ways(select: sa.Select[Any]) -> tuple[Statement, Statement]:
    return (
        Statement(select.order_by(_C.stream_order)),
        Statement(select.order_by(_C.stream_order.desc())),
    )


_PARENT_ID: Final[sa.BindParameter[Any]] = sa.bindparam("parent_id")
_CHILDREN: Final = _both_ways(_children(_C.parent_id == _PARENT_ID))
_CHILDREN_OF_KIND: Final = _both_ways(
    _children(sa.and_(_C.parent_id == _PARENT_ID, _C.rel_type == sa.bindparam("rel_type")))
)
_GRANDCHILDREN: Final = _both_ways(_children(_C.grandparent_id == _PARENT_ID))
_GREAT_GRANDCHILDREN: Final = _both_ways(_children(_C.great_grandparent_id == _PARENT_ID))
_LEVELS: Final = (_CHILDREN, _GRANDCHILDREN, _GREAT_GRANDCHILDREN)

DEPTH: Final = len(_LEVELS)
"""How many relations may be between an event and one that relates to it indirectly."""


class ChildrenRange(NamedTuple):
    """Children with `from_order` <= order < `to_order`, read in one direction."""

    room_id: str
    parent_id: str
    from_order: int
    to_order: int
    backwards: bool


class Child(NamedTuple):
    """An event that relates to another, and how it does to its own parent."""

    rel_type: str
    event: RoomEvent

    @property
    def order(self) -> int:
        """Where the event stands in the timeline."""
        return self.event.order


def select_children(
    connection: Connection, place: ChildrenRange, limit: int, rel_type: str | None = None
) -> list[Child]:
    """Return the first direct children of the range, of all or one `rel_type`."""
    if rel_type is None:
        return _level(connection, _CHILDREN, place, {"row_limit": limit})
    return _level(connection, _CHILDREN_OF_KIND, place, {"row_limit": limit, "rel_type": rel_type})


def select_descendants(connection: Connection, place: ChildrenRange, limit: int) -> list[Child]:
    """Return the first of the range that relate to the event, be it through others, each once."""
    found: dict[str, Child] = {}
    for level in _LEVELS:
        for child in _level(connection, level, place, {"row_limit": limit}):
            found.setdefault(child.event.event_id, child)
    first = sorted(found.values(), key=lambda child: child.event.order, reverse=place.backwards)
    return first[:limit]


def _level(
    connection: Connection,
    both_ways: tuple[Statement, Statement],
    place: ChildrenRange,
    values: dict[str, object],
) -> list[Child]:
    rows = both_ways[place.backwards].rows(
        connection,
        {
            **values,
            "room_id": place.room_id,
            "parent_id": place.parent_id,
            "from_order": place.from_order,
            "to_order": place.to_order,
        },
    )
    return [Child(row[0], RoomEvent(*row[1:])) for row in rows]


_THREADS: Final = Statement(
    sa.select(_G.parent_id, _G.latest_order)
    .where(_G.room_id == sa.bindparam("room_id"))
    .where(_G.rel_type == sa.literal_column(f"'{THREAD}'"))
    .where(_G.latest_order < sa.bindparam("before"))
    .order_by(_G.latest_order.desc())
    .limit(sa.bindparam("row_limit"))
)


def select_threads(
    connection: Connection, room_id: str, before: int, limit: int
) -> list[tuple[str, int]]:
    """Return threads with the orders of their last events, before a place, the latest first."""
    rows = _THREADS.rows(connection, {"room_id": room_id, "before": before, "row_limit": limit})
    return [(parent_id, order) for parent_id, order in rows]


_ANNOTATED: Final = Statement(
    sa.select(EVENTS.c.device_id, EVENTS.c.transaction_id)
    .join(RELATIONS, _C.event_id == EVENTS.c.event_id)
    .where(_C.parent_id == sa.bindparam("parent_id"))
    .where(_C.sender == sa.bindparam("sender"))
    .where(_C.annotation == sa.bindparam("annotation"))
    .where(_C.room_id == sa.bindparam("room_id"))
    .limit(sa.bindparam("row_limit"))
)


def select_annotations(
    connection: Connection,
    room_id: str,
    parent_id: str,
    sender: str,
    annotation: bytes,
) -> list[tuple[str | None, str | None]]:
    """Return the device and transaction ID of at most two equal annotations of one sender."""
    rows = _ANNOTATED.rows(
        connection,
        {
            "room_id": room_id,
            "parent_id": parent_id,
            "sender": sender,
            "annotation": annotation,
            "row_limit": 2,
        },
    )
    return [(row[0], row[1]) for row in rows]
