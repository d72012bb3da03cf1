"""What a process asks of the database about records that another one projects."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.tables import EVENTS, MEMBERSHIP_CHANGES

_EVENTS: Final = SelectByKeys(sa.select(*EVENTS.c), EVENTS.c.event_id)
_MEMBERSHIPS: Final = SelectByKeys(
    sa.select(EVENTS.c.event_id, EVENTS.c.membership), EVENTS.c.event_id
)
_CHANGE: Final = Statement(
    sa.select(MEMBERSHIP_CHANGES.c.membership)
    .where(MEMBERSHIP_CHANGES.c.user_id == sa.bindparam("user_id"))
    .where(MEMBERSHIP_CHANGES.c.room_id == sa.bindparam("room_id"))
    .where(MEMBERSHIP_CHANGES.c.stream_order == sa.bindparam("stream_order"))
)


def select_events_by_id(connection: Connection, event_ids: Collection[str]) -> list[RoomEvent]:
    """Return those of the events that are stored, in no order."""
    return [RoomEvent(*row) for row in _EVENTS.rows(connection, event_ids)]


def select_memberships_by_event(
    connection: Connection, event_ids: Collection[str]
) -> dict[str, str | None]:
    """Return what stored member events say of their users, by event ID."""
    rows = _MEMBERSHIPS.rows(connection, event_ids)
    return {event_id: membership for event_id, membership in rows}  # noqa: C416 (a row is no pair)


def select_membership_change(
    connection: Connection, user_id: str, room_id: str, stream_order: int
) -> str | None:
    """Return what a user's membership became at this very place; None if it did not change."""
    rows = _CHANGE.rows(
        connection, {"user_id": user_id, "room_id": room_id, "stream_order": stream_order}
    )
    return rows[0][0] if rows else None
