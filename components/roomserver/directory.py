"""The directory: aliases of this server, and the rooms that it publishes."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection

from base.database import Database
from components.roomserver.memory import Memory
from components.roomserver.reading import Reader
from components.roomserver.settings import RoomServerSettings
from components.roomserver.store.directory import DirectoryStore
from internalapi.roomserver import PublishedRoom, RoomUnknown
from matrix.errors import RoomInUse
from matrix.events import Event
from matrix.identifiers import RoomAlias, RoomID, UserID
from matrix.state_keys import CREATE, JOIN_RULES, StateKey
from matrix.topics import plain_topic

_SHOWN: Final[list[StateKey]] = [
    CREATE,
    JOIN_RULES,
    ("m.room.name", ""),
    ("m.room.topic", ""),
    ("m.room.canonical_alias", ""),
    ("m.room.avatar", ""),
    ("m.room.history_visibility", ""),
    ("m.room.guest_access", ""),
]


class Directory:
    """`internalapi.roomserver.RoomDirectory`: no log can rebuild it, so it commits durably."""

    def __init__(self, database: Database, settings: RoomServerSettings) -> None:
        self._database = database
        self._settings = settings

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
            lambda connection: DirectoryStore(connection).select_alias(alias)
        )

    async def query_aliases(self, *, room_id: RoomID) -> list[RoomAlias]:
        """Return the local aliases of a room, ordered."""
        return await self._database.read(
            lambda connection: DirectoryStore(connection).select_aliases(room_id)
        )

    async def perform_create_alias(
        self, *, alias: RoomAlias, room_id: RoomID, creator: UserID
    ) -> None:
        """Point an alias to a room. Raises `RoomInUse` where the alias exists."""
        inserted = await self._database.write(
            lambda connection: DirectoryStore(connection).insert_alias(alias, room_id, creator),
            durable=True,
        )
        if not inserted:
            raise RoomInUse(f"The alias {alias} is taken.")

    async def perform_delete_alias(self, *, alias: RoomAlias) -> bool:
        """Remove an alias; false when there was none."""
        return await self._database.write(
            lambda connection: DirectoryStore(connection).delete_alias(alias), durable=True
        )

    async def perform_publish(self, *, room_id: RoomID, is_published: bool) -> None:
        """List the room in the directory, or not."""
        known = await self._database.write(
            lambda connection: DirectoryStore(connection).update_published(
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
            store = DirectoryStore(connection)
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
            lambda connection: DirectoryStore(connection).select_is_published(room_id)
        )

    async def query_published_rooms(self) -> list[PublishedRoom]:
        """Return all published rooms, most joined members first, then by room ID."""

        def published(connection: Connection) -> list[PublishedRoom]:
            reader = Reader(Memory(self._settings), connection)
            rooms = DirectoryStore(connection).select_published()
            return [_describe(reader, room_id, joined) for room_id, joined in rooms]

        return await self._database.read(published, heavy_for="directory")


def _describe(reader: Reader, room_id: RoomID, joined: int) -> PublishedRoom:
    room = reader.room(room_id)
    state = {} if room is None else reader.state_events(room.state, _SHOWN)
    return PublishedRoom(
        room_id,
        joined,
        _text(state, "m.room.history_visibility", "history_visibility") == "world_readable",
        _text(state, "m.room.guest_access", "guest_access") == "can_join",
        _text(state, "m.room.join_rules", "join_rule") or "invite",
        _text(state, "m.room.name", "name"),
        _topic(state),
        _text(state, "m.room.canonical_alias", "alias"),
        _text(state, "m.room.avatar", "url"),
        _text(state, "m.room.create", "type"),
    )


def _topic(state: Mapping[StateKey, Event]) -> str | None:
    event = state.get(("m.room.topic", ""))
    return None if event is None else plain_topic(event.content)


def _text(state: Mapping[StateKey, Event], event_type: str, field: str) -> str | None:
    event = state.get((event_type, ""))
    value: Any = None if event is None else event.content.get(field)
    return value if isinstance(value, str) and value else None
