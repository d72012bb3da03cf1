"""What happens to relations: they come with events, and end with redactions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from msgspec.structs import astuple

from base.database import Connection, Insert, InsertRows, SelectByKeys, Statement, insert_new_into
from components.syncapi.event_relation import EventRelation
from components.syncapi.store.relation_tables import (
    RELATION_GROUPS,
    RELATIONS,
    THREAD_SENDERS,
)
from matrix.relations import REFERENCE, REPLACE, THREAD

_COUNTED: Final = frozenset({REFERENCE, REPLACE, THREAD})
"""What is bundled with a parent; of other relations nothing is counted."""

_C: Final = RELATIONS.c
_G: Final = RELATION_GROUPS.c
_S: Final = THREAD_SENDERS.c
_ONE: Final[sa.ColumnElement[Any]] = sa.literal_column("1")
_NONE_LEFT: Final[sa.ColumnElement[Any]] = sa.literal_column("0")

_BY_ID: Final = SelectByKeys(sa.select(*_C), _C.event_id)
_PARENTS: Final = SelectByKeys(sa.select(_C.parent_id).distinct(), _C.parent_id)
_DELETE: Final = Statement(sa.delete(RELATIONS).where(_C.event_id == sa.bindparam("of_event")))
_SET_OF_CHILDREN: Final = Statement(
    sa.update(RELATIONS)
    .where(_C.parent_id == sa.bindparam("of_event"))
    .where(_C.room_id == sa.bindparam("of_room"))
    .values(
        grandparent_id=sa.bindparam("new_parent"), great_grandparent_id=sa.bindparam("new_above")
    )
)
_SET_OF_GRANDCHILDREN: Final = Statement(
    sa.update(RELATIONS)
    .where(_C.grandparent_id == sa.bindparam("of_event"))
    .where(_C.room_id == sa.bindparam("of_room"))
    .values(great_grandparent_id=sa.bindparam("new_parent"))
)


def _of_parent(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.room_id == sa.bindparam("of_room"),
        table.c.parent_id == sa.bindparam("of_parent"),
    )


_OF_GROUP: Final = (
    sa.select(sa.func.max(_C.stream_order))
    .where(*_of_parent(RELATIONS))
    .where(_C.rel_type == sa.bindparam("of_rel_type"))
)
_OF_SENDER: Final = (
    sa.select(sa.func.max(_C.stream_order))
    .where(*_of_parent(RELATIONS))
    .where(_C.sender == sa.bindparam("of_sender"))
    # As the index has it, which is for threads only.
    .where(_C.rel_type == sa.literal_column(f"'{THREAD}'"))
)
_LESSEN_GROUP: Final = Statement(
    sa.update(RELATION_GROUPS)
    .where(*_of_parent(RELATION_GROUPS))
    .where(_G.rel_type == sa.bindparam("of_rel_type"))
    .values(
        children=_G.children - _ONE,
        latest_order=sa.func.coalesce(_OF_GROUP.scalar_subquery(), _G.latest_order),
    )
)
_LESSEN_SENDER: Final = Statement(
    sa.update(THREAD_SENDERS)
    .where(*_of_parent(THREAD_SENDERS))
    .where(_S.sender == sa.bindparam("of_sender"))
    .values(
        children=_S.children - _ONE,
        latest_order=sa.func.coalesce(
            _OF_SENDER.scalar_subquery(),
            _S.latest_order,
        ),
    )
)
_DELETE_GROUP: Final = Statement(
    sa.delete(RELATION_GROUPS).where(*_of_parent(RELATION_GROUPS)).where(_G.children <= _NONE_LEFT)
)
_DELETE_SENDER: Final = Statement(
    sa.delete(THREAD_SENDERS).where(*_of_parent(THREAD_SENDERS)).where(_S.children <= _NONE_LEFT)
)


def _grow_group(insert: Insert) -> sa.Insert:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[_G.room_id, _G.parent_id, _G.rel_type],
        set_={
            "children": _G.children + new.children,
            "latest_order": _greater(_G.latest_order, new.latest_order),
            "oldest_order": _lesser(_G.oldest_order, new.oldest_order),
            "is_restricted": _greater(_G.is_restricted, new.is_restricted),
        },
    )


def _grow_sender(insert: Insert) -> sa.Insert:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[_S.room_id, _S.parent_id, _S.sender],
        set_={
            "children": _S.children + new.children,
            "latest_order": _greater(_S.latest_order, new.latest_order),
        },
    )


def _greater(one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.case((one > other, one), else_=other)


def _lesser(one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.case((one < other, one), else_=other)


_INSERT: Final = insert_new_into(RELATIONS)
_GROW_GROUP: Final = InsertRows(RELATION_GROUPS, _grow_group)
_GROW_SENDER: Final = InsertRows(THREAD_SENDERS, _grow_sender)


def insert_relations(connection: Connection, relations: Sequence[EventRelation]) -> None:
    """Keep the relations of events that entered the timeline now, and count them."""
    if not relations:
        return
    _fill_in_ancestors(connection, relations)
    _INSERT.run_tuples(connection, [astuple(one) for one in relations])
    _tell_descendants(connection, relations)
    _count(connection, [one for one in relations if one.rel_type in _COUNTED])


def _count(connection: Connection, relations: Sequence[EventRelation]) -> None:
    # One row each, however many come at once: PostgreSQL keeps every version of a row that a
    # transaction goes through, and looks at all of them for the next.
    groups: dict[tuple[str, str, str], list[EventRelation]] = {}
    senders: dict[tuple[str, str, str], list[EventRelation]] = {}
    for one in relations:
        groups.setdefault((one.room_id, one.parent_id, one.rel_type), []).append(one)
        if one.rel_type == THREAD:
            senders.setdefault((one.room_id, one.parent_id, one.sender), []).append(one)
    _GROW_GROUP.run_tuples(
        connection,
        [
            (
                *key,
                len(some),
                max(one.stream_order for one in some),
                min(one.stream_order for one in some),
                max(one.is_restricted for one in some),
            )
            for key, some in groups.items()
        ],
    )
    _GROW_SENDER.run_tuples(
        connection,
        [(*key, len(some), max(one.stream_order for one in some)) for key, some in senders.items()],
    )


def _fill_in_ancestors(connection: Connection, relations: Sequence[EventRelation]) -> None:
    """Give the relations their ancestors, be they stored or among these."""
    fresh = {one.event_id: one for one in relations}
    parents = {one.parent_id for one in relations}
    stored = _by_id(connection, parents.difference(fresh))
    for one in relations:
        parent = _relation(one.parent_id, one, fresh, stored)
        if parent is None:
            continue
        one.grandparent_id = parent.parent_id
        if parent.event_id in stored:
            one.great_grandparent_id = parent.grandparent_id
        else:
            above = _relation(parent.parent_id, one, fresh, stored)
            one.great_grandparent_id = None if above is None else above.parent_id


def _relation(
    event_id: str,
    child: EventRelation,
    fresh: Mapping[str, EventRelation],
    stored: Mapping[str, EventRelation],
) -> EventRelation | None:
    found = fresh.get(event_id) or stored.get(event_id)
    return found if found is not None and found.room_id == child.room_id else None


def _by_id(connection: Connection, event_ids: Collection[str]) -> dict[str, EventRelation]:
    return {row[0]: EventRelation(*row) for row in _BY_ID.rows(connection, event_ids)}


def _tell_descendants(connection: Connection, relations: Sequence[EventRelation]) -> None:
    """Let those that came before what they relate to have their ancestors, too."""
    fresh = {one.event_id: one for one in relations}
    awaited = [fresh[row[0]] for row in _PARENTS.rows(connection, fresh)]
    for one in awaited:
        _set_ancestors(connection, one, one.parent_id, one.grandparent_id)


def _set_ancestors(
    connection: Connection, one: EventRelation, parent_id: str | None, above: str | None
) -> None:
    named = {"of_event": one.event_id, "of_room": one.room_id, "new_parent": parent_id}
    _SET_OF_CHILDREN.run(connection, {**named, "new_above": above})
    _SET_OF_GRANDCHILDREN.run(connection, named)


def delete_relations(connection: Connection, event_ids: Collection[str]) -> None:
    """Break the relations of redacted events to their parents; their own children stay theirs."""
    ended = list(_by_id(connection, event_ids).values())
    if not ended:
        return
    _DELETE.run_many(connection, [{"of_event": one.event_id} for one in ended])
    for one in ended:
        _set_ancestors(connection, one, None, None)
    groups = [_group(one) for one in ended if one.rel_type in _COUNTED]
    senders = [_group(one) for one in ended if one.rel_type == THREAD]
    _LESSEN_GROUP.run_many(connection, groups)
    _DELETE_GROUP.run_many(connection, groups)
    _LESSEN_SENDER.run_many(connection, senders)
    _DELETE_SENDER.run_many(connection, senders)


def _group(one: EventRelation) -> dict[str, str]:
    return {
        "of_room": one.room_id,
        "of_parent": one.parent_id,
        "of_rel_type": one.rel_type,
        "of_sender": one.sender,
    }
