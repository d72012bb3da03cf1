"""What counting a user's unread events asks of the database: for all rooms at once."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement
from components.syncapi.store.receipts import RECEIPTS
from components.syncapi.store.selects_of_rooms import select_together
from components.syncapi.store.tables import ACCOUNT_DATA, EVENTS, MEMBERSHIPS, STATE_CHANGES

_MARKERS: Final = SelectByKeys(
    sa.select(RECEIPTS.c.room_id, RECEIPTS.c.thread_id, EVENTS.c.stream_order)
    .select_from(
        RECEIPTS.outerjoin(
            EVENTS,
            sa.and_(
                EVENTS.c.event_id == RECEIPTS.c.event_id, EVENTS.c.room_id == RECEIPTS.c.room_id
            ),
        )
    )
    .where(RECEIPTS.c.user_id == sa.bindparam("user_id"))
    .where(RECEIPTS.c.receipt_type != sa.literal_column("'m.fully_read'")),
    RECEIPTS.c.room_id,
)
_CONTENTS: Final = Statement(
    sa.select(ACCOUNT_DATA.c.content)
    .where(ACCOUNT_DATA.c.user_id == sa.bindparam("user_id"))
    .where(ACCOUNT_DATA.c.room_id == sa.literal_column("''"))
    .where(ACCOUNT_DATA.c.type == sa.bindparam("type"))
)
_LEVELS_CHANGED: Final = Statement(
    sa.select(STATE_CHANGES.c.stream_order)
    .where(STATE_CHANGES.c.room_id == sa.bindparam("room_id"))
    .where(STATE_CHANGES.c.stream_order >= sa.bindparam("from_order"))
    .where(STATE_CHANGES.c.type == sa.literal_column("'m.room.power_levels'"))
    .where(STATE_CHANGES.c.state_key == sa.literal_column("''"))
    .order_by(STATE_CHANGES.c.stream_order)
)
_JSON: Final = SelectByKeys(sa.select(EVENTS.c.event_id, EVENTS.c.json), EVENTS.c.event_id)
_JOINED: Final = SelectByKeys(
    sa.select(MEMBERSHIPS.c.room_id, sa.func.count())
    .where(MEMBERSHIPS.c.membership == sa.literal_column("'join'"))
    .group_by(MEMBERSHIPS.c.room_id),
    MEMBERSHIPS.c.room_id,
)


class ReadUpTo(NamedTuple):
    """Up to where a user has read a room, or one of its threads."""

    room_id: str
    thread_id: str
    """Empty for one that is not about a thread."""
    order: int | None
    """None where the event is not known here, or not yet."""


class Unread(NamedTuple):
    """An event that may be unread."""

    room_id: str
    order: int
    event_id: str
    sender: str
    push_class: int
    thread_root: str | None
    json: bytes | None
    """Client form."""


class Span(NamedTuple):
    """A part of a room's timeline, without its ends."""

    room_id: str
    after: int
    before: int


_NEWEST: Final = (
    sa.select(
        EVENTS.c.room_id,
        EVENTS.c.stream_order,
        EVENTS.c.event_id,
        EVENTS.c.sender,
        EVENTS.c.push_class,
        EVENTS.c.thread_root,
        EVENTS.c.json,
    )
    .where(EVENTS.c.room_id == sa.bindparam("room_id"))
    .where(EVENTS.c.stream_order > sa.bindparam("after"))
    .where(EVENTS.c.stream_order < sa.bindparam("before"))
    .order_by(EVENTS.c.stream_order.desc())
    .limit(sa.bindparam("most"))
    # Said, because SQLite gets it anyway, as a parameter without a name.
    .offset(sa.literal_column("0"))
)


def select_read_up_to(
    connection: Connection, user_id: str, room_ids: Collection[str]
) -> list[ReadUpTo]:
    """Return the receipts, public and private, that mark what a user has read, in no order."""
    rows = _MARKERS.rows(connection, room_ids, {"user_id": user_id})
    return [ReadUpTo(*row) for row in rows]


def select_unread(
    connection: Connection, spans: Sequence[Span], *, most: int
) -> dict[str, list[Unread]]:
    """Return by room its newest events, at most `most` of each, in their order."""
    found: dict[str, list[Unread]] = {}
    given = [{**span._asdict(), "most": most} for span in spans]
    for row in select_together(connection, _NEWEST, given):
        found.setdefault(row[0], []).append(Unread._make(row))
    for events in found.values():
        events.sort(key=_order)
    return found


def _order(event: Unread) -> int:
    return event.order


def select_content(connection: Connection, user_id: str, kind: str) -> bytes | None:
    """Return the content of a user's account data of one type that belongs to no room."""
    found: bytes | None = _CONTENTS.run(connection, {"user_id": user_id, "type": kind}).scalar()
    return found


def select_json(connection: Connection, event_ids: Collection[str]) -> dict[str, bytes]:
    """Return the client form of events by event ID."""
    return {event_id: json for event_id, json in _JSON.rows(connection, event_ids)}  # noqa: C416 (a row is no pair)


def select_joined_counts(connection: Connection, room_ids: Collection[str]) -> dict[str, int]:
    """Return how many users are joined to each of the rooms."""
    return {room_id: count for room_id, count in _JOINED.rows(connection, room_ids)}  # noqa: C416 (a row is no pair)


def select_changes_of_levels(connection: Connection, room_id: str, from_order: int) -> list[int]:
    """Return the orders at which the power levels of a room changed, oldest first."""
    given = {"room_id": room_id, "from_order": from_order}
    return [row[0] for row in _LEVELS_CHANGED.run(connection, given)]
