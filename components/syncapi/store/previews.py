"""What is shown of rooms to those who look for one: single entries of state, counts, children."""

from collections.abc import Collection, Iterator
from typing import Final

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.tables import CURRENT_STATE, EVENTS, MEMBERSHIPS

_CHUNK: Final = 200

_EVENTS_NOW: Final = sa.select(*EVENTS.c).join(
    CURRENT_STATE, CURRENT_STATE.c.event_id == EVENTS.c.event_id
)
_ENTRIES: Final = _EVENTS_NOW.where(
    CURRENT_STATE.c.room_id.in_(sa.bindparam("room_ids", expanding=True)),
    CURRENT_STATE.c.type.in_(sa.bindparam("types", expanding=True)),
    CURRENT_STATE.c.state_key == "",
)
_OF_TYPE: Final = Statement(
    _EVENTS_NOW.where(CURRENT_STATE.c.room_id == sa.bindparam("room_id"))
    .where(CURRENT_STATE.c.type == sa.bindparam("type"))
    .order_by(CURRENT_STATE.c.state_key)
    .limit(sa.bindparam("row_limit"))
)
_JOINED_COUNTS: Final = SelectByKeys(
    sa.select(MEMBERSHIPS.c.room_id, sa.func.count())
    .where(MEMBERSHIPS.c.membership == "join")
    .group_by(MEMBERSHIPS.c.room_id),
    MEMBERSHIPS.c.room_id,
)
_MEMBERSHIPS: Final = Statement(
    sa.select(MEMBERSHIPS.c.room_id, MEMBERSHIPS.c.membership).where(
        MEMBERSHIPS.c.user_id == sa.bindparam("user_id")
    )
)


def select_entries(
    connection: Connection, room_ids: Collection[str], types: Collection[str]
) -> Iterator[RoomEvent]:
    """Give the events of these types, with an empty state key, in the newest state of rooms."""
    wanted = list(room_ids)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        for row in connection.execute(_ENTRIES, {"room_ids": chunk, "types": list(types)}):
            yield RoomEvent(*row)


def select_entries_of_type(
    connection: Connection, room_id: str, event_type: str, limit: int
) -> list[RoomEvent]:
    """Return the first entries of one type of a room's newest state, ordered by state key."""
    rows = _OF_TYPE.rows(connection, {"room_id": room_id, "type": event_type, "row_limit": limit})
    return [RoomEvent(*row) for row in rows]


def select_joined_counts(connection: Connection, room_ids: Collection[str]) -> dict[str, int]:
    """Return how many are joined to each of the rooms; rooms with nobody are left out."""
    rows = _JOINED_COUNTS.rows(connection, room_ids)
    return {room_id: count for room_id, count in rows}  # noqa: C416 (a row is no pair)


def select_memberships_of_user(connection: Connection, user_id: str) -> dict[str, str]:
    """Return where a user stands in all rooms that they had to do with, by room ID."""
    rows = _MEMBERSHIPS.rows(connection, {"user_id": user_id})
    return {room_id: membership for room_id, membership in rows}  # noqa: C416 (a row is no pair)
