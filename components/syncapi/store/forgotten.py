"""Rooms that users have forgotten, until they join, knock or are invited again."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from base.database import Connection, Statement, upsert_into
from components.syncapi.store.tables import FORGOTTEN_ROOMS, MEMBERSHIP_CHANGES

_HAS_COME_BACK: Final = sa.exists().where(
    MEMBERSHIP_CHANGES.c.user_id == FORGOTTEN_ROOMS.c.user_id,
    MEMBERSHIP_CHANGES.c.room_id == FORGOTTEN_ROOMS.c.room_id,
    MEMBERSHIP_CHANGES.c.stream_order > FORGOTTEN_ROOMS.c.stream_order,
    sa.or_(*[MEMBERSHIP_CHANGES.c.membership == one for one in ("join", "knock", "invite")]),
)
_OF_USER: Final = (
    sa.select(FORGOTTEN_ROOMS.c.room_id)
    .where(FORGOTTEN_ROOMS.c.user_id == sa.bindparam("user_id"))
    .where(~_HAS_COME_BACK)
)
_ONE: Final = Statement(_OF_USER.where(FORGOTTEN_ROOMS.c.room_id == sa.bindparam("room_id")))
_UPSERT: Final = upsert_into(FORGOTTEN_ROOMS, "stream_order")


def upsert_forgotten(connection: Connection, forgotten: Sequence[tuple[str, str, int]]) -> None:
    """Note where in the stream users forgot rooms, in this order."""
    _UPSERT.run_tuples(connection, forgotten)


def is_forgotten(connection: Connection, user_id: str, room_id: str) -> bool:
    """Return whether a user has forgotten a room, and has not come back since."""
    return bool(_ONE.rows(connection, {"user_id": user_id, "room_id": room_id}))


def select_forgotten_rooms(connection: Connection, user_id: str) -> set[str]:
    """Return the rooms that a user has forgotten, and has not come back to."""
    return set(connection.execute(_OF_USER, {"user_id": user_id}).scalars())
