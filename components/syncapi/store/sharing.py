"""Memberships at two places in the stream: of those who moved in a room, and of those who stay.

A place is an offset of the room's partition; it is asked for what was before it.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement, paced
from components.syncapi.store.membership import select_history
from components.syncapi.store.selects_of_rooms import select_together
from components.syncapi.store.tables import MEMBERSHIP_CHANGES, MEMBERSHIPS

_M: Final = MEMBERSHIPS.c
_JOIN: Final[sa.ColumnElement[str]] = sa.literal_column("'join'")
_TRUE: Final[sa.ColumnElement[int]] = sa.literal_column("1")
# All that there are, so that the index finds the newest of each.
_ANY: Final[list[sa.ColumnElement[str]]] = [
    sa.literal_column(f"'{one}'") for one in ("join", "invite", "leave", "ban", "knock")
]


def _joined_before(place: str) -> sa.ColumnElement[bool]:
    change, newest = MEMBERSHIP_CHANGES.alias().c, MEMBERSHIP_CHANGES.alias().c
    is_theirs = [
        sa.and_(one.user_id == _M.user_id, one.room_id == _M.room_id) for one in (change, newest)
    ]
    order = (
        sa.select(sa.func.max(newest.stream_order))
        .where(is_theirs[1], newest.stream_order < sa.bindparam(place))
        .correlate(MEMBERSHIPS)
        .scalar_subquery()
    )
    return (
        sa.select(_TRUE)
        .where(is_theirs[0], change.stream_order == order, change.membership == _JOIN)
        .correlate(MEMBERSHIPS)
        .exists()
    )


_MOVED: Final = sa.select(
    _M.room_id,
    _M.user_id,
    _joined_before("start").label("before_start"),
    _joined_before("end").label("before_end"),
).where(
    _M.room_id == sa.bindparam("room_id"),
    _M.membership.in_(_ANY),
    _M.stream_order >= sa.bindparam("start"),
)
_STAYING: Final = sa.select(_M.room_id, _M.user_id).where(
    _M.room_id == sa.bindparam("room_id"),
    _M.membership == _JOIN,
    _M.stream_order < sa.bindparam("start"),
)
_READER: Final = MEMBERSHIPS.alias("reader")
_MAY_BE_SHARED: Final = SelectByKeys(
    sa.select(_M.user_id, _M.room_id, _M.membership, _M.stream_order)
    .join(_READER, _READER.c.room_id == _M.room_id)
    .where(
        _READER.c.user_id == sa.bindparam("reader_id"),
        sa.or_(_READER.c.membership == _JOIN, _READER.c.stream_order >= sa.bindparam("lowest")),
        sa.or_(_M.membership == _JOIN, _M.stream_order >= sa.bindparam("lowest")),
    ),
    _M.user_id,
)
_ALL_WHO_SHARE: Final = Statement(
    sa.select(_M.user_id)
    .distinct()
    .join(_READER, _READER.c.room_id == _M.room_id)
    .where(
        _READER.c.user_id == sa.bindparam("reader_id"),
        _READER.c.membership == _JOIN,
        _M.membership == _JOIN,
    )
)
_ROOMS: Final = Statement(
    sa.select(_M.room_id, _M.membership, _M.stream_order).where(
        _M.user_id == sa.bindparam("reader_id")
    )
)


class RoomSpan(NamedTuple):
    """The two places in a room."""

    room_id: str
    start: int
    end: int


class Joined(NamedTuple):
    """Whether a user was joined to a room at the two places."""

    before: bool
    after: bool


class PlacedMembership(NamedTuple):
    """The membership that a user has had in a room since a place."""

    user_id: str
    room_id: str
    membership: str
    stream_order: int


def select_moved(connection: Connection, spans: Sequence[RoomSpan]) -> dict[str, dict[str, Joined]]:
    """Return by room and user where those stood whose membership is of the start or later."""
    moved: dict[str, dict[str, Joined]] = {}
    rows = select_together(connection, _MOVED, [span._asdict() for span in spans])
    for room_id, user_id, before, after in paced(connection, rows):
        moved.setdefault(room_id, {})[user_id] = Joined(bool(before), bool(after))
    return moved


def select_staying(connection: Connection, spans: Sequence[RoomSpan]) -> dict[str, set[str]]:
    """Return by room who has been joined since before the start, up to now."""
    staying: dict[str, set[str]] = {}
    rows = select_together(connection, _STAYING, [span._asdict() for span in spans])
    for room_id, user_id in paced(connection, rows):
        staying.setdefault(room_id, set()).add(user_id)
    return staying


def select_may_be_shared(
    connection: Connection, reader_id: str, user_ids: Collection[str], lowest: int
) -> list[PlacedMembership]:
    """Return where these users stand in rooms of the reader.

    Left out are rooms in which either of them is not joined, and was not at `lowest` or later.
    """
    rows = _MAY_BE_SHARED.rows(connection, user_ids, {"reader_id": reader_id, "lowest": lowest})
    return [PlacedMembership(*row) for row in paced(connection, rows)]


def select_joined_at(connection: Connection, user_id: str, span: RoomSpan) -> Joined:
    """Return whether a user was joined to a room at the two places."""
    before = after = ""
    for order, membership in select_history(connection, user_id, span.room_id):
        if order < span.start:
            before = membership
        if order < span.end:
            after = membership
    return Joined(before == "join", after == "join")


def select_rooms_of(connection: Connection, reader_id: str) -> list[PlacedMembership]:
    """Return where a user stands in all rooms that they had to do with."""
    rows = _ROOMS.rows(connection, {"reader_id": reader_id})
    return [PlacedMembership(reader_id, *row) for row in rows]


def select_all_who_share(connection: Connection, reader_id: str) -> set[str]:
    """Return all who are joined to a room with a user, the user among them."""
    rows = _ALL_WHO_SHARE.rows(connection, {"reader_id": reader_id})
    return {row[0] for row in paced(connection, rows)}
