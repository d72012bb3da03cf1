"""The state of a room at any place, a page at a time: nobody holds all of a big room."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement
from components.syncapi.room_event import StateEntry
from components.syncapi.store.state import select_undone
from components.syncapi.store.tables import CURRENT_STATE, EVENTS

MEMBER: Final = "m.room.member"
_PAGE: Final = 500

_COLUMNS: Final = [EVENTS.c[name] for name in StateEntry.__struct_fields__]
_ENTRIES: Final = SelectByKeys(sa.select(*_COLUMNS), EVENTS.c.event_id)
_NOW: Final = (
    sa.select(*_COLUMNS)
    .join(CURRENT_STATE, CURRENT_STATE.c.event_id == EVENTS.c.event_id)
    .where(CURRENT_STATE.c.room_id == sa.bindparam("room_id"))
    .order_by(CURRENT_STATE.c.type, CURRENT_STATE.c.state_key)
    .limit(sa.bindparam("row_limit"))
)
_PAGE_OF_STATE: Final = Statement(
    _NOW.where(
        sa.tuple_(CURRENT_STATE.c.type, CURRENT_STATE.c.state_key)
        > sa.tuple_(sa.bindparam("type"), sa.bindparam("after"))
    )
)
_PAGE_OF_MEMBERS: Final = Statement(
    _NOW.where(CURRENT_STATE.c.type == sa.bindparam("type")).where(
        CURRENT_STATE.c.state_key > sa.bindparam("after")
    )
)


def select_member_pages(
    connection: Connection, room_id: str, order: int
) -> Iterator[list[StateEntry]]:
    """Give the member events of the state before this place, in no order."""
    undone = select_undone(connection, room_id, order)
    members = {key: event_id for key, event_id in undone.items() if key[0] == MEMBER}
    return _pages(connection, room_id, _PAGE_OF_MEMBERS, (MEMBER, ""), members)


def select_state_pages(
    connection: Connection, room_id: str, order: int
) -> Iterator[list[StateEntry]]:
    """Give the events of the state before this place, in no order."""
    undone = select_undone(connection, room_id, order)
    return _pages(connection, room_id, _PAGE_OF_STATE, ("", ""), undone)


def _pages(
    connection: Connection,
    room_id: str,
    statement: Statement,
    begin: tuple[str, str],
    undone: dict[tuple[str, str], str | None],
) -> Iterator[list[StateEntry]]:
    after: tuple[str, str] | None = begin
    while after is not None:
        given = {"room_id": room_id, "type": after[0], "after": after[1], "row_limit": _PAGE}
        page = [StateEntry(*row) for row in statement.rows(connection, given)]
        after = (page[-1].type, page[-1].state_key) if len(page) == _PAGE else None
        if undone:
            yield [entry for entry in page if (entry.type, entry.state_key) not in undone]
        else:
            yield page
    before = [event_id for event_id in undone.values() if event_id is not None]
    for start in range(0, len(before), _PAGE):
        rows = _ENTRIES.rows(connection, before[start : start + _PAGE])
        yield [StateEntry(*row) for row in rows]
