"""The directory: aliases of this server, and the rooms that it publishes."""

from typing import Final

from base.database import Connection, Database
from base.shared_reading import SharedReading
from components.roomserver.published_list import PublishedList
from components.roomserver.published_rooms import PublishedRooms
from components.roomserver.settings import RoomServerSettings
from components.roomserver.store.directory import RoomDirectoryStore
from internalapi.roomserver import (
    PublishedFilter,
    PublishedPage,
    PublishedStart,
    RoomUnknown,
    TooManyAliases,
)
from matrix.errors import RoomInUse
from matrix.identifiers import RoomAlias, RoomID, UserID


class Directory:
    """`internalapi.roomserver.RoomDirectory`: no log can rebuild it, so it commits durably."""

    def __init__(self, database: Database, settings: RoomServerSettings) -> None:
        self._database = database
        self._max_aliases: Final = settings.max_aliases_per_user
        self._published: Final = PublishedRooms(settings)
        self._listed: Final = SharedReading(self._list)

    async def query_alias(self, *, alias: RoomAlias) -> RoomID | None:
        """Return the room that a local alias points to."""
        found = await self._select_alias(alias)
        return None if found is None else found[0]

    async def query_alias_creator(self, *, alias: RoomAlias) -> UserID | None:
        """Return who made a local alias."""
        found = await self._select_alias(alias)
        return None if found is None else found[1]

    async def _select_alias(self, alias: RoomAlias) -> tuple[RoomID, UserID] | None:
        return await self._database.read(
            lambda connection: RoomDirectoryStore(connection).select_alias(alias)
        )

    async def query_aliases(self, *, room_id: RoomID) -> list[RoomAlias]:
        """Return the local aliases of a room, ordered."""
        return await self._database.read(
            lambda connection: RoomDirectoryStore(connection).select_aliases(room_id)
        )

    async def perform_create_alias(
        self, *, alias: RoomAlias, room_id: RoomID, creator: UserID
    ) -> None:
        """Point an alias to a room. Raises `RoomInUse` and `TooManyAliases`."""

        def insert(connection: Connection) -> bool:
            store = RoomDirectoryStore(connection)
            if store.count_aliases_of(creator) >= self._max_aliases:
                raise TooManyAliases
            return store.insert_alias(alias, room_id, creator)

        if not await self._database.write(insert, durable=True):
            raise RoomInUse(f"The alias {alias} is taken.")

    async def perform_delete_alias(self, *, alias: RoomAlias) -> bool:
        """Remove an alias; false when there was none."""
        return await self._database.write(
            lambda connection: RoomDirectoryStore(connection).delete_alias(alias), durable=True
        )

    async def perform_publish(self, *, room_id: RoomID, is_published: bool) -> None:
        """List the room in the directory, or not."""
        known = await self._database.write(
            lambda connection: RoomDirectoryStore(connection).update_published(
                room_id, is_published=is_published
            ),
            durable=True,
        )
        if not known:
            raise RoomUnknown(f"This server does not know the room {room_id}.")

    async def perform_replace_room(self, *, room_id: RoomID, new_room_id: RoomID) -> None:
        """Give another room all aliases and the place in the list, at once; again changes nothing.

        Raises `RoomUnknown` for a new room that is not known.
        """

        def replace(connection: Connection) -> None:
            store = RoomDirectoryStore(connection)
            store.update_aliases(room_id, new_room_id)
            if not store.select_is_published(room_id):
                return
            store.update_published(room_id, is_published=False)
            if not store.update_published(new_room_id, is_published=True):
                raise RoomUnknown(f"This server does not know the room {new_room_id}.")

        await self._database.write(replace, durable=True)

    async def query_is_published(self, *, room_id: RoomID) -> bool:
        """Return whether the directory lists the room."""
        return await self._database.read(
            lambda connection: RoomDirectoryStore(connection).select_is_published(room_id)
        )

    async def query_published_page(
        self, *, wanted: PublishedFilter, start: PublishedStart | None, limit: int
    ) -> PublishedPage:
        """Return at most `limit` published rooms, most joined members first, then by room ID."""
        listed = await self._listed.result()
        return await listed.page(wanted, start, limit)

    async def _list(self) -> PublishedList:
        return await self._database.read(self._published.read, heavy_for="directory")
