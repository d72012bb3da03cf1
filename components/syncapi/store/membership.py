"""Memberships: where each user stands in each room, since when, and what came before."""

from collections.abc import Callable, Collection, Sequence
from sys import intern
from typing import Final

import sqlalchemy as sa

from base.database import (
    Connection,
    Insert,
    InsertRows,
    SelectByKeys,
    Statement,
    insert_new_into,
    paced,
    upsert_into,
)
from components.syncapi.changes import Membership, MembershipChange
from components.syncapi.store.tables import EVENTS, INVITES, MEMBERSHIP_CHANGES, MEMBERSHIPS

_ALL: Final = ("join", "invite", "leave", "ban", "knock")
_MEMBERSHIP: Final = (
    MEMBERSHIPS.c.membership,
    MEMBERSHIPS.c.stream_order,
    MEMBERSHIPS.c.event_id,
)
_ROOMS_OF_USER: Final = sa.select(MEMBERSHIPS.c.room_id, *_MEMBERSHIP).where(
    MEMBERSHIPS.c.user_id == sa.bindparam("user_id")
)
_OF_USER_IN_ROOM: Final = Statement(
    sa.select(*_MEMBERSHIP)
    .where(MEMBERSHIPS.c.user_id == sa.bindparam("user_id"))
    .where(MEMBERSHIPS.c.room_id == sa.bindparam("room_id"))
)
_HISTORY: Final = Statement(
    sa.select(MEMBERSHIP_CHANGES.c.stream_order, MEMBERSHIP_CHANGES.c.membership)
    .where(MEMBERSHIP_CHANGES.c.user_id == sa.bindparam("user_id"))
    .where(MEMBERSHIP_CHANGES.c.room_id == sa.bindparam("room_id"))
    .order_by(MEMBERSHIP_CHANGES.c.stream_order)
)
_JOINED_ROOMS: Final = SelectByKeys(
    sa.select(MEMBERSHIPS.c.user_id, MEMBERSHIPS.c.room_id).where(
        MEMBERSHIPS.c.membership == "join"
    ),
    MEMBERSHIPS.c.user_id,
)
_COUNTS: Final = Statement(
    sa.select(MEMBERSHIPS.c.membership, sa.func.count())
    .where(MEMBERSHIPS.c.room_id == sa.bindparam("room_id"))
    .where((MEMBERSHIPS.c.membership == "join") | (MEMBERSHIPS.c.membership == "invite"))
    .group_by(MEMBERSHIPS.c.membership)
)
_FIRST: Final = (
    sa.select(MEMBERSHIPS.c.user_id)
    .where(MEMBERSHIPS.c.room_id == sa.bindparam("room_id"))
    .where(MEMBERSHIPS.c.membership.in_(sa.bindparam("memberships", expanding=True)))
    .order_by(MEMBERSHIPS.c.stream_order, MEMBERSHIPS.c.user_id)
    .limit(sa.bindparam("row_limit"))
)
_MOVED: Final = Statement(
    sa.select(MEMBERSHIPS.c.user_id)
    .where(MEMBERSHIPS.c.room_id == sa.bindparam("room_id"))
    # All that there are, so that the index finds the newest of each.
    .where(sa.or_(*[MEMBERSHIPS.c.membership == one for one in _ALL]))
    .where(MEMBERSHIPS.c.stream_order >= sa.bindparam("from_order"))
    .limit(1)
)
_OF_EVENTS: Final = SelectByKeys(
    sa.select(EVENTS.c.event_id, EVENTS.c.membership), EVENTS.c.event_id
)
_INVITE: Final = (
    sa.select(INVITES.c.invite_state)
    .where(INVITES.c.user_id == sa.bindparam("user_id"))
    .where(INVITES.c.room_id == sa.bindparam("room_id"))
    .where(INVITES.c.event_id == sa.bindparam("event_id"))
)


def _move(insert: Insert) -> sa.Insert:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[MEMBERSHIPS.c.user_id, MEMBERSHIPS.c.room_id],
        set_={
            "stream_order": sa.case(
                (MEMBERSHIPS.c.membership == new.membership, MEMBERSHIPS.c.stream_order),
                else_=new.stream_order,
            ),
            "membership": new.membership,
            "event_id": new.event_id,
        },
    )


_MOVE: Final = InsertRows(MEMBERSHIPS, _move)
_INSERT_CHANGES: Final = insert_new_into(MEMBERSHIP_CHANGES)
_RENEW_INVITE: Final = upsert_into(INVITES, "event_id", "invite_state")


def upsert_memberships(connection: Connection, changes: Sequence[MembershipChange]) -> None:
    """Apply changes whose memberships are all known, in their order."""
    if not changes:
        return
    _MOVE.run_tuples(
        connection,
        [
            (
                change.user_id,
                change.room_id,
                change.membership,
                change.stream_order,
                change.event_id,
            )
            for change in changes
        ],
    )
    _INSERT_CHANGES.run_tuples(
        connection,
        [
            (change.user_id, change.room_id, change.stream_order, change.membership)
            for change in changes
        ],
    )


def upsert_invites(
    connection: Connection, invites: Sequence[tuple[MembershipChange, bytes]]
) -> None:
    """Keep what invites into rooms of other servers showed of them; the newest one counts."""
    _RENEW_INVITE.run_tuples(
        connection,
        [
            (change.user_id, change.room_id, change.event_id, invite_state)
            for change, invite_state in invites
        ],
    )


def select_memberships_of_events(
    connection: Connection, event_ids: Collection[str]
) -> dict[str, str]:
    """Return what stored member events say of their users, by event ID."""
    rows = _OF_EVENTS.rows(connection, event_ids)
    return {event_id: membership or "leave" for event_id, membership in rows}


def select_rooms_of_user_before(
    connection: Connection, user_id: str, end_of: Callable[[str], int]
) -> dict[str, Membership]:
    """Return where a user stood in all rooms that they had to do with, by room ID.

    `end_of` gives for a room the place in the stream before which it is asked for.
    """
    found: dict[str, Membership] = {}
    rows = connection.execute(_ROOMS_OF_USER, {"user_id": user_id})
    for room_id, membership, order, event_id in paced(connection, rows):
        end = end_of(room_id)
        now: Membership | None = Membership(intern(membership), order, event_id)
        if order >= end:
            now = _membership_before(connection, user_id, room_id, end)
        if now is not None:
            # Many users have the same rooms: the text is kept once.
            found[intern(room_id)] = now
    return found


def _membership_before(
    connection: Connection, user_id: str, room_id: str, end: int
) -> Membership | None:
    """Return where a user stood before a place in the stream; which event said so is not kept."""
    before: Membership | None = None
    for order, membership in select_history(connection, user_id, room_id):
        if order < end and (before is None or before.membership != membership):
            before = Membership(membership, order, "")
    return before


def select_membership(connection: Connection, user_id: str, room_id: str) -> Membership | None:
    """Return where a user stands in a room; None for one who never had to do with it."""
    rows = _OF_USER_IN_ROOM.rows(connection, {"user_id": user_id, "room_id": room_id})
    return Membership(*rows[0]) if rows else None


def select_joined_rooms(connection: Connection, user_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the rooms that each of these users is joined to; who is in none is left out."""
    rooms: dict[str, set[str]] = {}
    for user_id, room_id in _JOINED_ROOMS.rows(connection, user_ids):
        rooms.setdefault(user_id, set()).add(room_id)
    return rooms


def select_history(connection: Connection, user_id: str, room_id: str) -> list[tuple[int, str]]:
    """Return all memberships of a user in a room with their orders, oldest first."""
    rows = _HISTORY.rows(connection, {"user_id": user_id, "room_id": room_id})
    return [(order, membership) for order, membership in rows]


def select_counts(connection: Connection, room_id: str) -> dict[str, int]:
    """Return how many members a room has that are joined and invited."""
    rows = _COUNTS.rows(connection, {"room_id": room_id})
    return {membership: count for membership, count in rows}  # noqa: C416 (a row is no pair)


def has_moved_members(connection: Connection, room_id: str, from_order: int) -> bool:
    """Return whether anybody's membership became another one at this place or after it."""
    parameters = {"room_id": room_id, "from_order": from_order}
    return bool(_MOVED.rows(connection, parameters))


def select_first_members(
    connection: Connection, room_id: str, memberships: Sequence[str], limit: int
) -> list[str]:
    """Return those who have had one of these memberships for the longest."""
    rows = connection.execute(
        _FIRST, {"room_id": room_id, "memberships": list(memberships), "row_limit": limit}
    )
    return list(rows.scalars())


def select_invite_state(
    connection: Connection, user_id: str, room_id: str, event_id: str
) -> bytes | None:
    """Return the stripped state of an invite from another server; None if it is no such."""
    found: bytes | None = connection.execute(
        _INVITE, {"user_id": user_id, "room_id": room_id, "event_id": event_id}
    ).scalar()
    return found
