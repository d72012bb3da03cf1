"""Aliases and published rooms in the database."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from base.database import insert
from components.roomserver.store.tables import aliases, memberships, rooms
from matrix.identifiers import RoomAlias, RoomID, UserID

_PUBLISHED: Final = (
    sa.select(rooms.c.room_id, sa.func.count(memberships.c.user_id).label("joined"))
    .outerjoin(
        memberships,
        sa.and_(memberships.c.room_id == rooms.c.room_id, memberships.c.membership == "join"),
    )
    .where(rooms.c.is_published)
    .group_by(rooms.c.room_id)
    .order_by(sa.desc("joined"), rooms.c.room_id)
)


class DirectoryStore:
    """Queries over aliases and published rooms in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def select_alias(self, alias: RoomAlias) -> tuple[RoomID, UserID] | None:
        """Return the room that the alias points to, and who made it."""
        query = sa.select(aliases.c.room_id, aliases.c.creator).where(aliases.c.alias == alias)
        row = self._connection.execute(query).first()
        return None if row is None else (RoomID(row.room_id), UserID(row.creator))

    def select_aliases(self, room_id: RoomID) -> list[RoomAlias]:
        """Return the aliases of a room, ordered."""
        query = sa.select(aliases.c.alias).where(aliases.c.room_id == room_id)
        rows = self._connection.execute(query.order_by(aliases.c.alias))
        return [RoomAlias(row.alias) for row in rows]

    def insert_alias(self, alias: RoomAlias, room_id: RoomID, creator: UserID) -> bool:
        """Add an alias; false where it exists."""
        statement = insert(self._connection, aliases).on_conflict_do_nothing()
        row = {"alias": alias, "room_id": room_id, "creator": creator}
        return self._connection.execute(statement, row).rowcount == 1

    def delete_alias(self, alias: RoomAlias) -> bool:
        """Remove an alias; false where there was none."""
        statement = sa.delete(aliases).where(aliases.c.alias == alias)
        return self._connection.execute(statement).rowcount == 1

    def update_aliases(self, room_id: RoomID, new_room_id: RoomID) -> None:
        """Let the aliases of a room point to another one."""
        self._connection.execute(
            sa.update(aliases).where(aliases.c.room_id == room_id).values(room_id=new_room_id)
        )

    def update_published(self, room_id: RoomID, *, is_published: bool) -> bool:
        """List a room or not; false for a room that is not known."""
        statement = (
            sa.update(rooms).where(rooms.c.room_id == room_id).values(is_published=is_published)
        )
        return self._connection.execute(statement).rowcount == 1

    def select_is_published(self, room_id: RoomID) -> bool:
        """Return whether the room is listed."""
        query = sa.select(rooms.c.is_published).where(rooms.c.room_id == room_id)
        return bool(self._connection.execute(query).scalar())

    def select_published(self) -> list[tuple[RoomID, int]]:
        """Return listed rooms with their number of joined members, most members first."""
        return [(RoomID(row.room_id), row.joined) for row in self._connection.execute(_PUBLISHED)]
