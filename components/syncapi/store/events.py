"""Events of rooms: the timeline by its order, and state by event ID."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from msgspec.structs import astuple

from base.database import (
    Connection,
    Insert,
    InsertRows,
    SelectByKeys,
    Statement,
    insert_new_into,
    paced,
)
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.tables import EVENTS

_ALL: Final = tuple(EVENTS.c)

_BY_ID: Final = SelectByKeys(sa.select(*_ALL), EVENTS.c.event_id)
_REPLACING: Final = SelectByKeys(sa.select(*_ALL), EVENTS.c.replaces)
_IN_ROOM: Final = (
    sa.select(*_ALL)
    .where(EVENTS.c.room_id == sa.bindparam("room_id"))
    .where(EVENTS.c.stream_order >= sa.bindparam("from_order"))
    .where(EVENTS.c.stream_order < sa.bindparam("to_order"))
    .limit(sa.bindparam("row_limit"))
)
_BACKWARDS: Final = Statement(_IN_ROOM.order_by(EVENTS.c.stream_order.desc()))
_FORWARDS: Final = Statement(_IN_ROOM.order_by(EVENTS.c.stream_order))
_OLDEST: Final = sa.select(sa.func.min(EVENTS.c.stream_order)).where(
    EVENTS.c.room_id == sa.bindparam("room_id")
)
_CHANGED_ROOMS: Final = SelectByKeys(
    sa.select(EVENTS.c.room_id)
    .distinct()
    .where(EVENTS.c.stream_order >= sa.bindparam("from_order")),
    EVENTS.c.room_id,
)
_REPLACE_JSON: Final = (
    sa.update(EVENTS)
    .where(EVENTS.c.event_id == sa.bindparam("redacted_id"))
    .values(
        json=sa.bindparam("new_json"),
        unsigned=sa.bindparam("new_unsigned"),
        push_class=sa.bindparam("new_push_class"),
    )
)


_THREAD_ROOTS: Final = SelectByKeys(
    sa.select(EVENTS.c.event_id, EVENTS.c.thread_root).where(EVENTS.c.thread_root.isnot(None)),
    EVENTS.c.event_id,
)


def _enter_timeline(insert: Insert) -> sa.Insert:
    # State that was known without its place in the timeline gets one; a repeat changes nothing.
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[EVENTS.c.event_id],
        set_={
            "stream_order": new.stream_order,
            "history_visibility": new.history_visibility,
            "state_effect": new.state_effect,
            "replaces": new.replaces,
            "unsigned": new.unsigned,
            "device_id": new.device_id,
            "transaction_id": new.transaction_id,
            "thread_root": new.thread_root,
        },
        where=EVENTS.c.stream_order.is_(None),
    )


_ENTER_TIMELINE: Final = InsertRows(EVENTS, _enter_timeline)
_INSERT_NEW: Final = insert_new_into(EVENTS)


def insert_timeline(connection: Connection, events: Sequence[RoomEvent]) -> set[int]:
    """Put events into the timeline; return the orders of those that were in it already."""
    written = _ENTER_TIMELINE.run_tuples(connection, [astuple(event) for event in events])
    if written == len(events):
        return set()
    stored = select_events(connection, {event.event_id for event in events})
    return {
        event.order for event in events if stored[event.event_id].stream_order != event.stream_order
    }


def insert_state_events(connection: Connection, events: Sequence[RoomEvent]) -> None:
    """Keep events that are state without being in the timeline, unless they are known."""
    _INSERT_NEW.run_tuples(connection, [astuple(event) for event in events])


def select_events(connection: Connection, event_ids: Collection[str]) -> dict[str, RoomEvent]:
    """Return those of the events that are stored, by event ID."""
    rows = _BY_ID.rows(connection, event_ids)
    return {row[0]: RoomEvent(*row) for row in paced(connection, rows)}


def select_thread_roots(connection: Connection, event_ids: Collection[str]) -> dict[str, str]:
    """Return the roots of the threads that these events are in, by event ID."""
    rows = _THREAD_ROOTS.rows(connection, event_ids)
    return {event_id: root for event_id, root in rows}  # noqa: C416 (a row is no pair)


def select_replacing(connection: Connection, event_ids: Collection[str]) -> list[RoomEvent]:
    """Return the state events that replaced one of these, in no order."""
    return [RoomEvent(*row) for row in _REPLACING.rows(connection, event_ids)]


def select_backwards(
    connection: Connection, room_id: str, from_order: int, to_order: int, limit: int
) -> list[RoomEvent]:
    """Return the newest events with `from_order` <= order < `to_order`, newest first."""
    rows = _BACKWARDS.rows(connection, _range(room_id, from_order, to_order, limit))
    return [RoomEvent(*row) for row in rows]


def select_forwards(
    connection: Connection, room_id: str, from_order: int, to_order: int, limit: int
) -> list[RoomEvent]:
    """Return the oldest events with `from_order` <= order < `to_order`, oldest first."""
    rows = _FORWARDS.rows(connection, _range(room_id, from_order, to_order, limit))
    return [RoomEvent(*row) for row in rows]


def _range(room_id: str, from_order: int, to_order: int, limit: int) -> dict[str, object]:
    return {
        "room_id": room_id,
        "from_order": from_order,
        "to_order": to_order,
        "row_limit": limit,
    }


def select_oldest_order(connection: Connection, room_id: str) -> int | None:
    """Return the order of the room's first event; None for a room without a timeline."""
    oldest: int | None = connection.execute(_OLDEST, {"room_id": room_id}).scalar()
    return oldest


def select_changed_rooms(connection: Connection, since: Mapping[str, int]) -> set[str]:
    """Return those of the rooms that have events at or after the order given for them."""
    by_since: dict[int, list[str]] = {}
    for room_id, order in since.items():
        by_since.setdefault(order, []).append(room_id)
    changed: set[str] = set()
    for order, room_ids in by_since.items():
        rows = _CHANGED_ROOMS.rows(connection, room_ids, {"from_order": order})
        changed.update(room_id for (room_id,) in rows)
    return changed


def update_json(connection: Connection, events: Sequence[RoomEvent]) -> None:
    """Replace the JSON, `unsigned` and the class of stored events."""
    if events:
        connection.execute(
            _REPLACE_JSON,
            [
                {
                    "redacted_id": event.event_id,
                    "new_json": event.json,
                    "new_unsigned": event.unsigned,
                    "new_push_class": event.push_class,
                }
                for event in events
            ],
        )
