"""Aliases and published rooms in the database."""

from collections.abc import Collection
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, insert
from components.roomserver.state.snapshots import NodeName
from components.roomserver.store.tables import aliases, memberships, rooms
from matrix.identifiers import RoomAlias, RoomID, UserID

_PUBLISHED: Final = sa.select(rooms.c.room_id, rooms.c.state, rooms.c.last_place).where(
    rooms.c.is_published == sa.true()
)
_JOINED: Final = SelectByKeys(
    sa.select(memberships.c.room_id, sa.func.count())
    .where(memberships.c.membership == sa.bindparam("membership"))
    .group_by(memberships.c.room_id),
    memberships.c.room_id,
)


class PublishedRow(NamedTuple):
    """A room of the directory, and what tells whether it has changed."""

    room_id: RoomID
    state: NodeName
    last_place: int


class RoomDirectoryStore:
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

    def count_aliases_of(self, creator: UserID) -> int:
        """Return how many aliases a user has made."""
        query = sa.select(sa.func.count()).where(aliases.c.creator == creator)
        return self._connection.execute(query).scalar_one()

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

    def select_published(self) -> list[PublishedRow]:
        """Return the listed rooms, in no order."""
        return [PublishedRow._make(row) for row in self._connection.execute(_PUBLISHED)]

    def select_joined_counts(self, room_ids: Collection[RoomID]) -> dict[RoomID, int]:
        """Return how many users are joined to these rooms; those without any are left out."""
        rows = _JOINED.rows(self._connection, room_ids, {"membership": "join"})
        return {RoomID(room_id): count for room_id, count in rows}
