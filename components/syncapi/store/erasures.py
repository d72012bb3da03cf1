"""Erased users: their rooms, and up to where whoever was there saw what they wrote.

One row of each user is of no room: it counts where there is none of a room. So it is where a join
that was under way is projected after the erasure, which comes by another topic.
"""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement, insert_for
from components.syncapi.store.tables import EVENTS, MEMBERSHIPS, METADATA

ERASURES: Final = sa.Table(
    "erasures",
    METADATA,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("room_id", sa.Text, primary_key=True),
    # The first place of the room that came after the erasure.
    sa.Column("erased_at", sa.BigInteger, nullable=False),
)

_BEFORE_ALL: Final = -(2**62)
"""The place of an erasure in rooms that were rebuilt: who was there when is not known."""
_NO_ROOM: Final = ""

# In the text: parameters of such a statement have to be named.
_NEXT: Final = sa.literal_column("1", sa.BigInteger)
_NO_EVENT: Final = sa.literal_column("-1", sa.BigInteger)
_END_OF_ROOM: Final = (
    sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.stream_order), _NO_EVENT) + _NEXT)
    .where(EVENTS.c.room_id == MEMBERSHIPS.c.room_id)
    .scalar_subquery()
)
_ROOMS_OF_USER: Final = sa.select(MEMBERSHIPS.c.user_id, MEMBERSHIPS.c.room_id, _END_OF_ROOM).where(
    MEMBERSHIPS.c.user_id == sa.bindparam("user_id")
)
_ERASE: Final = Statement(
    lambda dialect: (
        insert_for(dialect, ERASURES)
        .from_select(["user_id", "room_id", "erased_at"], _ROOMS_OF_USER)
        .on_conflict_do_nothing()
    )
)
_RESTORE: Final = Statement(
    sa.delete(ERASURES).where(ERASURES.c.user_id == sa.bindparam("user_id"))
)
_ERASE_ELSEWHERE: Final = Statement(
    lambda dialect: (
        insert_for(dialect, ERASURES)
        .values(user_id=sa.bindparam("user_id"), room_id=_NO_ROOM, erased_at=_BEFORE_ALL)
        .on_conflict_do_nothing()
    )
)
_ANY: Final = Statement(sa.select(ERASURES.c.user_id).limit(1))
_IN_ROOM: Final = SelectByKeys(
    sa.select(ERASURES.c.user_id, ERASURES.c.room_id, ERASURES.c.erased_at).where(
        sa.or_(ERASURES.c.room_id == sa.bindparam("room_id"), ERASURES.c.room_id == _NO_ROOM)
    ),
    ERASURES.c.user_id,
)


def insert_erasure(connection: Connection, user_id: str) -> None:
    """Note in all rooms of a user, and for all others, that what they wrote is erased from here on.

    Where that was noted before, the first time counts.
    """
    _ERASE.run(connection, {"user_id": user_id})
    _ERASE_ELSEWHERE.run(connection, {"user_id": user_id})


def delete_erasure(connection: Connection, user_id: str) -> None:
    """Let what a user wrote be read again."""
    _RESTORE.run(connection, {"user_id": user_id})


def forget_places(connection: Connection) -> None:
    """Let erasures count from the beginning of each room: its places are given again."""
    connection.execute(sa.update(ERASURES).values(erased_at=_BEFORE_ALL))


def select_erasures(
    connection: Connection, room_id: str, user_ids: Collection[str]
) -> dict[str, int]:
    """Return those of the users who are erased in the room, with the place where that was."""
    # Mostly nobody is erased at all.
    if not user_ids or not _ANY.rows(connection, {}):
        return {}
    erased: dict[str, int] = {}
    for user_id, where, place in _IN_ROOM.rows(connection, user_ids, {"room_id": room_id}):
        if where == room_id:
            erased[user_id] = place
        else:
            erased.setdefault(user_id, place)
    return erased
