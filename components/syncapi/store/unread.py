"""What counting a user's unread events asks of the database: for all rooms at once."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from base.database import SelectByKeys, Statement
from components.syncapi.store.receipts import RECEIPTS
from components.syncapi.store.tables import ACCOUNT_DATA, EVENTS, MEMBERSHIPS, Connection
from matrix.push_rules.classes import NAMES_USERS

_ROOMS_AT_ONCE: Final = (1, 8, 50)
_NO_ROOM: Final = ""
_NUMBERED: Final = re.compile(r"\$([0-9]+)")

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
_JSON: Final = SelectByKeys(sa.select(EVENTS.c.event_id, EVENTS.c.json), EVENTS.c.event_id)
_JOINED: Final = SelectByKeys(
    sa.select(MEMBERSHIPS.c.room_id, sa.func.count())
    .where(MEMBERSHIPS.c.membership == sa.literal_column("'join'"))
    .group_by(MEMBERSHIPS.c.room_id),
    MEMBERSHIPS.c.room_id,
)


class Marker(NamedTuple):
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
    """Client form, where the class does not tell enough."""


class Span(NamedTuple):
    """A part of a room's timeline, without its ends."""

    room_id: str
    after: int
    before: int


def _newest(*, is_all: bool) -> sa.Select[Any]:
    json: sa.ColumnElement[Any] = EVENTS.c.json
    if not is_all:
        json = sa.case((EVENTS.c.push_class >= sa.literal_column(str(NAMES_USERS)), json))
    select = (
        sa.select(
            EVENTS.c.room_id,
            EVENTS.c.stream_order,
            EVENTS.c.event_id,
            EVENTS.c.sender,
            EVENTS.c.push_class,
            EVENTS.c.thread_root,
            json.label("json"),
        )
        .where(EVENTS.c.room_id == sa.bindparam("room_id"))
        .where(EVENTS.c.stream_order > sa.bindparam("after"))
        .where(EVENTS.c.stream_order < sa.bindparam("before"))
        .order_by(EVENTS.c.stream_order.desc())
        .limit(sa.bindparam("most"))
        # Said, because SQLite gets it anyway, as a parameter without a name.
        .offset(sa.literal_column("0"))
    )
    return select if is_all else select.where(EVENTS.c.push_class != sa.literal_column("0"))


@lru_cache(maxsize=32)
def _together(dialect: Dialect, size: int, *, is_all: bool) -> tuple[str, Sequence[str]]:
    """Return the statement for so many rooms, and the parameters of each of them in order.

    Only the one for a single room is compiled: fifty would take as long as fifty.
    """
    compiled: Any = _newest(is_all=is_all).compile(dialect=dialect)
    names: Sequence[str] = compiled.positiontup or ()
    rooms = [
        f"SELECT * FROM ({_renumbered(compiled.string, number * len(names))}) AS room{number}"  # noqa: S608 (of compiled text)
        for number in range(size)
    ]
    return " UNION ALL ".join(rooms), names


def _renumbered(text: str, by: int) -> str:
    # PostgreSQL's parameters have numbers, SQLite's have not.
    return _NUMBERED.sub(lambda found: f"${int(found[1]) + by}", text)


def select_markers(connection: Connection, user_id: str, room_ids: Collection[str]) -> list[Marker]:
    """Return the receipts, public and private, that mark what a user has read, in no order."""
    rows = _MARKERS.rows(connection, room_ids, {"user_id": user_id})
    return [Marker(*row) for row in rows]


def select_unread(
    connection: Connection, spans: Sequence[Span], *, most: int, is_all: bool
) -> dict[str, list[Unread]]:
    """Return by room the newest events that may notify, or with `is_all` all of them.

    At most `most` of each room, in their order.
    """
    found: dict[str, list[Unread]] = {}
    rest = list(spans)
    while rest:
        size = next((one for one in _ROOMS_AT_ONCE if one >= len(rest)), _ROOMS_AT_ONCE[-1])
        some, rest = rest[:size], rest[size:]
        some.extend([Span(_NO_ROOM, 0, 0)] * (size - len(some)))
        text, names = _together(connection.dialect, size, is_all=is_all)
        values: list[object] = []
        for span in some:
            known = {**span._asdict(), "most": most}
            values.extend([known[name] for name in names])
        for row in connection.exec_driver_sql(text, tuple(values)).fetchall():
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
