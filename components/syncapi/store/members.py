"""The members of a room at any place, a page at a time: nobody holds all of a big room."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from components.syncapi.room_event import RoomEvent
from components.syncapi.store.events import select_events
from components.syncapi.store.state import select_changes
from components.syncapi.store.statements import execute_select
from components.syncapi.store.tables import CURRENT_STATE, EVENTS, Connection

_PAGE: Final = 500
_PAGE_OF_MEMBERS: Final = (
    sa.select(*EVENTS.c)
    .join(CURRENT_STATE, CURRENT_STATE.c.event_id == EVENTS.c.event_id)
    .where(CURRENT_STATE.c.room_id == sa.bindparam("room_id"))
    .where(CURRENT_STATE.c.type == sa.bindparam("type"))
    .where(CURRENT_STATE.c.state_key > sa.bindparam("after"))
    .order_by(CURRENT_STATE.c.state_key)
    .limit(sa.bindparam("row_limit"))
)


def select_member_pages(
    connection: Connection, room_id: str, order: int
) -> Iterator[list[RoomEvent]]:
    """Give the member events of the state before this place, in no order."""
    undone: dict[str, str | None] = {}
    for change in select_changes(connection, room_id, order):
        if change.type == "m.room.member":
            undone.setdefault(change.state_key, change.replaces)
    after: str | None = ""
    while after is not None:
        rows = execute_select(
            connection,
            _PAGE_OF_MEMBERS,
            {"room_id": room_id, "type": "m.room.member", "after": after, "row_limit": _PAGE},
        )
        page = [RoomEvent(*row) for row in rows]
        after = page[-1].state_key if len(page) == _PAGE else None
        yield [event for event in page if event.state_key not in undone] if undone else page
    before = [event_id for event_id in undone.values() if event_id is not None]
    for start in range(0, len(before), _PAGE):
        yield list(select_events(connection, before[start : start + _PAGE]).values())
