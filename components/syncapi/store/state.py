"""The current state of rooms and its changes, from which the state at any place follows."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from msgspec.structs import astuple

from base.database import Connection, SelectByKeys, Statement, insert_new_into, paced, upsert_into
from components.syncapi.changes import AppliedChange
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.tables import CURRENT_STATE, EVENTS, MEMBERSHIPS, STATE_CHANGES

_CURRENT_EVENTS: Final = sa.select(*EVENTS.c).join(
    CURRENT_STATE, CURRENT_STATE.c.event_id == EVENTS.c.event_id
)
_EVENTS_NOW: Final = _CURRENT_EVENTS.where(CURRENT_STATE.c.room_id == sa.bindparam("room_id"))
_ALL_NOW: Final = Statement(_EVENTS_NOW)
_EVENTS_NOW_OF_TYPES: Final = SelectByKeys(_EVENTS_NOW, CURRENT_STATE.c.type)
_IS_NO_MEMBER: Final = CURRENT_STATE.c.type != "m.room.member"
_EVENTS_NOW_WITHOUT_MEMBERS: Final = Statement(_EVENTS_NOW.where(_IS_NO_MEMBER))
_EVENTS_NOW_IN_ROOMS: Final = SelectByKeys(_CURRENT_EVENTS, CURRENT_STATE.c.room_id)
_EVENTS_NOW_IN_ROOMS_WITHOUT_MEMBERS: Final = SelectByKeys(
    _CURRENT_EVENTS.where(_IS_NO_MEMBER), CURRENT_STATE.c.room_id
)
_LAST_CHANGES: Final = Statement(
    sa.select(
        MEMBERSHIPS.c.room_id,
        sa.select(sa.func.max(STATE_CHANGES.c.stream_order))
        .where(STATE_CHANGES.c.room_id == MEMBERSHIPS.c.room_id)
        .scalar_subquery(),
    ).where(MEMBERSHIPS.c.user_id == sa.bindparam("user_id"))
)
_EVENT_NOW: Final = Statement(
    _EVENTS_NOW.where(CURRENT_STATE.c.type == sa.bindparam("type")).where(
        CURRENT_STATE.c.state_key == sa.bindparam("state_key")
    )
)
NAMING: Final = {"m.room.name": "name", "m.room.canonical_alias": "alias"}
"""The types of state that name a room, with the member of their content that does so."""
_NAMING_NOW: Final = Statement(
    _EVENTS_NOW.where(CURRENT_STATE.c.state_key == "").where(
        sa.or_(*[CURRENT_STATE.c.type == kind for kind in NAMING])
    )
)
_MEMBERS_NOW: Final = SelectByKeys(
    _EVENTS_NOW.where(CURRENT_STATE.c.type == "m.room.member"), CURRENT_STATE.c.state_key
)
_CHANGES: Final = Statement(
    sa.select(
        STATE_CHANGES.c.type,
        STATE_CHANGES.c.state_key,
        STATE_CHANGES.c.event_id,
        STATE_CHANGES.c.replaces,
        STATE_CHANGES.c.stream_order,
    )
    .where(STATE_CHANGES.c.room_id == sa.bindparam("room_id"))
    .where(STATE_CHANGES.c.stream_order >= sa.bindparam("from_order"))
    .order_by(STATE_CHANGES.c.stream_order)
)
_INSERT_CHANGES: Final = insert_new_into(STATE_CHANGES)
_UPSERT: Final = upsert_into(CURRENT_STATE, "event_id")
_DELETE: Final = (
    sa.delete(CURRENT_STATE)
    .where(CURRENT_STATE.c.room_id == sa.bindparam("of_room"))
    .where(CURRENT_STATE.c.type == sa.bindparam("of_type"))
    .where(CURRENT_STATE.c.state_key == sa.bindparam("of_state_key"))
)


class StoredChange(NamedTuple):
    """One entry of the state that became another event, or None, at a place in the stream."""

    type: str
    state_key: str
    event_id: str | None
    replaces: str | None
    stream_order: int


def insert_changes(connection: Connection, changes: Collection[AppliedChange]) -> None:
    """Keep changes of the state and apply them to the current state, in their order."""
    if not changes:
        return
    _INSERT_CHANGES.run_tuples(connection, [astuple(change) for change in changes])
    last = {(change.room_id, change.type, change.state_key): change for change in changes}
    _UPSERT.run_tuples(
        connection,
        [
            (room_id, kind, key, change.event_id)
            for (room_id, kind, key), change in last.items()
            if change.event_id is not None
        ],
    )
    removed = [
        {"of_room": room_id, "of_type": kind, "of_state_key": key}
        for (room_id, kind, key), change in last.items()
        if change.event_id is None
    ]
    if removed:
        connection.execute(_DELETE, removed)


def select_changes(connection: Connection, room_id: str, from_order: int) -> list[StoredChange]:
    """Return the changes of a room's state at or after this order, oldest first."""
    rows = _CHANGES.rows(connection, {"room_id": room_id, "from_order": from_order})
    return [StoredChange(*row) for row in paced(connection, rows)]


def select_undone(
    connection: Connection, room_id: str, order: int
) -> dict[tuple[str, str], str | None]:
    """Return for each entry that changed at or after this place what it was before."""
    undone: dict[tuple[str, str], str | None] = {}
    for change in select_changes(connection, room_id, order):
        undone.setdefault((change.type, change.state_key), change.replaces)
    return undone


def select_state_now(
    connection: Connection, room_id: str, types: Collection[str] | None = None
) -> list[RoomEvent]:
    """Return the events of the newest state, of all or these types, in no order."""
    rows: Sequence[Sequence[Any]]
    if types is None:
        rows = _ALL_NOW.rows(connection, {"room_id": room_id})
    else:
        rows = _EVENTS_NOW_OF_TYPES.rows(connection, types, {"room_id": room_id})
    return [RoomEvent(*row) for row in paced(connection, rows)]


def select_states_now(
    connection: Connection, room_ids: Collection[str], *, members: bool
) -> dict[str, list[RoomEvent]]:
    """Return the events of the newest state of several rooms, with or without their members."""
    select = _EVENTS_NOW_IN_ROOMS if members else _EVENTS_NOW_IN_ROOMS_WITHOUT_MEMBERS
    states: dict[str, list[RoomEvent]] = {room_id: [] for room_id in room_ids}
    for row in paced(connection, select.rows(connection, room_ids)):
        event = RoomEvent(*row)
        states[event.room_id].append(event)
    return states


def select_last_changes(connection: Connection, user_id: str) -> dict[str, int | None]:
    """Return the order of the last change of state in each of a user's rooms."""
    rows = _LAST_CHANGES.rows(connection, {"user_id": user_id})
    return {room_id: order for room_id, order in rows}  # noqa: C416 (a row is no pair)


def select_state_now_without_members(connection: Connection, room_id: str) -> list[RoomEvent]:
    """Return the events of the newest state except members, in no order."""
    rows = _EVENTS_NOW_WITHOUT_MEMBERS.rows(connection, {"room_id": room_id})
    return [RoomEvent(*row) for row in rows]


def select_naming_now(connection: Connection, room_id: str) -> list[RoomEvent]:
    """Return the events of the newest state that may name the room."""
    rows = _NAMING_NOW.rows(connection, {"room_id": room_id})
    return [RoomEvent(*row) for row in rows]


def select_members_now(
    connection: Connection, room_id: str, user_ids: Collection[str]
) -> list[RoomEvent]:
    """Return the member events of these users in the newest state, in no order."""
    rows = _MEMBERS_NOW.rows(connection, user_ids, {"room_id": room_id})
    return [RoomEvent(*row) for row in rows]


def select_entry_now(
    connection: Connection, room_id: str, event_type: str, state_key: str
) -> RoomEvent | None:
    """Return one event of the newest state."""
    rows = _EVENT_NOW.rows(
        connection, {"room_id": room_id, "type": event_type, "state_key": state_key}
    )
    return RoomEvent(*rows[0]) if rows else None
