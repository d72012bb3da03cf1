"""Counting from the stored rows: all rooms of a user with a few statements."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
import orjson

from base.database import Connection
from components.syncapi.store.unread import (
    Span,
    Unread,
    select_joined_counts,
    select_json,
    select_read_up_to,
    select_unread,
)
from components.syncapi.unread.count_by_class import ByClass, RoomToCount, count_by_class
from components.syncapi.unread.looking import (
    Seen,
    look_at,
    push_event,
    sender_might_notify,
)
from components.syncapi.unread_count import Basis, UnreadCount

_NONE: Final[Sequence[Unread]] = ()


class CountedRooms(msgspec.Struct):
    """What came of it."""

    unread_counts: dict[str, UnreadCount]
    unread: AbstractSet[str]
    """Rooms with something unread, whether it notifies or not."""
    unsettled: AbstractSet[str]
    """Rooms with a receipt for an event that is not here: it may be on its way."""
    joined: Mapping[str, int]
    """How many members rooms have whose rules ask for it."""
    may_notify: Mapping[tuple[str, str], bool]
    """By event ID and kind whether its sender might notify so: the same for every reader."""


def count_rooms(
    connection: Connection,
    *,
    user_id: str,
    ignored: AbstractSet[str],
    rooms: Sequence[RoomToCount],
    window: int,
) -> CountedRooms:
    """Count what a user has not read in these rooms."""
    read_upto, unsettled = _read_upto(connection, user_id, [room.room_id for room in rooms])
    asked = [room.room_id for room in rooms if room.rules.needs_member_count]
    joined = select_joined_counts(connection, asked) if asked else {}
    rooms = [_with_member_count(room, joined) for room in rooms]
    names = _display_names(connection, rooms)
    unread_counts: dict[str, UnreadCount] = {}
    for room in rooms:
        basis = Basis(room.rules, ignored, room.joined_at, room.member_event_id)
        name, read = names.get(room.room_id), read_upto[room.room_id]
        unread_counts[room.room_id] = UnreadCount(basis, name, read, window=window)
    answers: dict[tuple[str, str], bool] = {}

    def may_notify(event: Seen, kind: str) -> bool:
        key = event.event_id, kind
        known = answers.get(key)
        if known is None:
            known = answers[key] = sender_might_notify(connection, event, kind)
        return known

    by_class = [room for room in rooms if room.rules.is_by_class and not room.rules.is_silent]
    unread = count_by_class(ByClass(connection, user_id, may_notify), by_class, unread_counts)
    events = _newest_events(connection, rooms, read_upto, window)
    for room in rooms:
        unread_count = unread_counts[room.room_id]
        for event in events.get(room.room_id, _NONE):
            look_at(unread_count, user_id, event, parse=push_event, may_notify=may_notify)
        # What the counts were before is not known.
        unread_count.upto = max(unread_count.upto, room.upto)
        unread_count.changed_at = unread_count.upto - 1
        if unread_count.looked_at or room.rules.is_silent:
            unread.add(room.room_id)
    return CountedRooms(unread_counts, unread, unsettled, joined, answers)


def _read_upto(
    connection: Connection, user_id: str, room_ids: Collection[str]
) -> tuple[dict[str, dict[str, int]], set[str]]:
    """Return up to where each thread of each room was read, and where that is not sure."""
    found: dict[str, dict[str, int]] = {room_id: {} for room_id in room_ids}
    unsettled: set[str] = set()
    for room_id, thread, order in select_read_up_to(connection, user_id, room_ids):
        if order is None:
            unsettled.add(room_id)
        else:
            # The public and the private receipt: the one that is further counts.
            found[room_id][thread] = max(found[room_id].get(thread, order), order)
    return found, unsettled


def _with_member_count(room: RoomToCount, joined: Mapping[str, int]) -> RoomToCount:
    if not room.rules.needs_member_count:
        return room
    return room._replace(rules=room.rules.with_member_count(joined.get(room.room_id, 0)))


def _display_names(connection: Connection, rooms: Sequence[RoomToCount]) -> dict[str, str]:
    asked = {room.member_event_id: room.room_id for room in rooms if not room.rules.is_by_class}
    if not asked:
        return {}
    names: dict[str, str] = {}
    for event_id, json in select_json(connection, asked).items():
        name = orjson.loads(json)["content"].get("displayname")
        if isinstance(name, str):
            names[asked[event_id]] = name
    return names


def _newest_events(
    connection: Connection,
    rooms: Sequence[RoomToCount],
    read_upto: Mapping[str, Mapping[str, int]],
    window: int,
) -> Mapping[str, Sequence[Unread]]:
    """Return the events of those rooms where the rules look into them."""
    spans = [
        Span(
            room.room_id,
            max(room.joined_at, read_upto[room.room_id].get("", room.joined_at)),
            room.upto,
        )
        for room in rooms
        if not room.rules.is_by_class
    ]
    return select_unread(connection, spans, most=window)
