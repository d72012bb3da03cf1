"""The state of a room at any place in its stream: the newest one with later changes undone."""

from collections.abc import Collection

import msgspec

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.events import select_events
from components.syncapi.store.state import (
    select_entry_now,
    select_members_now,
    select_state_now,
    select_state_now_without_members,
    select_undone,
)


class KnownState(msgspec.Struct, gc=False):
    """The newest state of a room (without members, where they are asked for by name)."""

    events: list[RoomEvent]
    last_change: int | None
    """The order of its last change."""


def select_state_at(
    connection: Connection,
    room_id: str,
    order: int,
    *,
    members: Collection[str] | None = None,
    types: Collection[str] | None = None,
    known: KnownState | None = None,
) -> list[RoomEvent]:
    """Return the events of the state before this place, in no order.

    With `members`, of all member events only those of these users; with `types`, only entries of
    these types. `known` is the newest state, where it was read before.
    """
    if types is not None:
        now = select_state_now(connection, room_id, types)
    elif members is None:
        now = select_state_now(connection, room_id) if known is None else known.events
    else:
        now = (
            select_state_now_without_members(connection, room_id) if known is None else known.events
        )
        if members:
            now = now + select_members_now(connection, room_id, members)
    if known is not None and (known.last_change is None or known.last_change < order):
        return now
    undone = select_undone(connection, room_id, order)
    if not undone:
        return now
    wanted = {
        event_id
        for (kind, state_key), event_id in undone.items()
        if event_id is not None and _is_asked(kind, state_key, members, types)
    }
    kept = [event for event in now if (event.type, event.state_key) not in undone]
    return kept + list(select_events(connection, wanted).values())


def select_members_at(
    connection: Connection, room_id: str, order: int, user_ids: Collection[str]
) -> list[RoomEvent]:
    """Return the member events of these users in the state before this place, in no order."""
    if not user_ids:
        return []
    undone = select_undone(connection, room_id, order)
    concerned = {
        state_key: event_id
        for (kind, state_key), event_id in undone.items()
        if kind == "m.room.member" and state_key in user_ids
    }
    others = [user_id for user_id in user_ids if user_id not in concerned]
    now = select_members_now(connection, room_id, others) if others else []
    before = [event_id for event_id in concerned.values() if event_id is not None]
    return now + list(select_events(connection, before).values())


def select_entry_at(
    connection: Connection, room_id: str, order: int, event_type: str, state_key: str
) -> RoomEvent | None:
    """Return one event of the state before this place."""
    undone = select_undone(connection, room_id, order)
    if (event_type, state_key) not in undone:
        return select_entry_now(connection, room_id, event_type, state_key)
    event_id = undone[event_type, state_key]
    return None if event_id is None else select_events(connection, [event_id]).get(event_id)


def _is_asked(
    kind: str,
    state_key: str,
    members: Collection[str] | None,
    types: Collection[str] | None,
) -> bool:
    if types is not None:
        return kind in types
    return members is None or kind != "m.room.member" or state_key in members
