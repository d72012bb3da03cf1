"""Answers about rooms: from memory where the room is in use, else from the database."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from base.database import Database
from components.roomserver import graph
from components.roomserver.memory import Memory
from components.roomserver.reading import NotInMemory, RoomReader
from components.roomserver.settings import RoomServerSettings
from components.roomserver.store.rooms import RoomStore
from components.roomserver.stored import Room
from internalapi.roomserver import (
    InputPosition,
    RoomHead,
    RoomMembership,
    RoomUnknown,
    StoredEvent,
)
from matrix.events import Event
from matrix.hashing import reference_hash
from matrix.identifiers import EventID, RoomID, UserID
from matrix.room_versions import room_version
from matrix.unpadded_base64 import encode_base64

T = TypeVar("T")
_NO_HASHES: Final[dict[EventID, str]] = {}
WaitFor = Callable[[InputPosition], Awaitable[None]]


class Queries:
    """`internalapi.roomserver.RoomQueries`, over the memory of the partition that a room is in."""

    def __init__(
        self,
        database: Database,
        memory_of: Callable[[RoomID], Memory],
        wait_for: WaitFor,
        settings: RoomServerSettings,
    ) -> None:
        self._database = database
        self._memory_of = memory_of
        self._wait_for = wait_for
        self._max_latest = settings.max_latest_events

    async def query_room_head(
        self,
        *,
        room_id: RoomID,
        state_keys: list[tuple[str, str]],
        not_before: InputPosition | None = None,
    ) -> RoomHead:
        """Return what the next event is built on, with the current state of these keys."""
        if not_before is not None:
            await self._wait_for(not_before)

        def head(reader: RoomReader) -> RoomHead:
            room = _known(reader.room(room_id), room_id)
            latest = graph.prev_events_of_next(room, self._max_latest)
            latest_ids = [one.event_id for one in latest]
            state = list(reader.state_events(room.state, state_keys).values())
            return RoomHead(
                room_id,
                room.version,
                latest_ids,
                _reference_hashes(reader, room, latest_ids, state),
                graph.depth_of_next(room),
                state,
            )

        return await self._read(room_id, head)

    async def query_state(
        self,
        *,
        room_id: RoomID,
        before_event_id: EventID | None = None,
        types: list[str] | None = None,
        not_before: InputPosition | None = None,
    ) -> list[Event]:
        """Return the current state, or the state before an event, of all or these types."""
        if not_before is not None:
            await self._wait_for(not_before)

        def state(reader: RoomReader) -> list[Event]:
            room = _known(reader.room(room_id), room_id)
            snapshot = room.state
            if before_event_id is not None:
                known = reader.known_events([before_event_id]).get(before_event_id)
                if known is None or known.event.room_id != room_id or known.state_before is None:
                    raise RoomUnknown("The state before this event is not known.")
                snapshot = known.state_before
            wanted = None if types is None else set(types)
            ids = [
                event_id
                for key, event_id in reader.snapshots.items(snapshot).items()
                if wanted is None or key[0] in wanted
            ]
            return list(reader.events(ids).values())

        return await self._read(room_id, state)

    async def query_events(self, *, event_ids: list[EventID]) -> list[StoredEvent]:
        """Return those of the events that are known, in the order asked."""

        def stored(reader: RoomReader) -> list[StoredEvent]:
            known = reader.known_events(event_ids)
            return [
                StoredEvent(
                    one.event,
                    one.is_rejected,
                    one.is_soft_failed,
                    one.is_outlier,
                    one.redacted_because,
                )
                for event_id in event_ids
                if (one := known.get(event_id)) is not None
            ]

        # Which partition an event is in is not known from its ID: no memory can be asked.
        unshared = Memory(RoomServerSettings(1, 1, max(len(event_ids), 1), 1))
        return await self._database.read(
            lambda connection: stored(RoomReader(unshared, connection))
        )

    async def query_membership(self, *, room_id: RoomID, user_id: UserID) -> RoomMembership | None:
        """Return where the user stands in the room; `None` for one who never was in it."""
        return await self._database.read(
            lambda connection: RoomStore(connection).select_membership(room_id, user_id)
        )

    async def query_rooms_of_user(
        self, *, user_id: UserID, memberships: list[str]
    ) -> list[RoomMembership]:
        """Return the rooms where the user's membership is one of these, ordered by room ID."""
        return await self._database.read(
            lambda connection: RoomStore(connection).select_rooms_of_user(user_id, memberships)
        )

    async def query_members(self, *, room_id: RoomID, membership: str) -> list[UserID]:
        """Return the users with this membership, ordered by user ID."""
        return await self._database.read(
            lambda connection: RoomStore(connection).select_members(room_id, membership)
        )

    async def _read(self, room_id: RoomID, answer: Callable[[RoomReader], T]) -> T:
        memory = self._memory_of(room_id)
        try:
            return answer(RoomReader(memory, None))
        except NotInMemory:
            return await self._database.read(
                lambda connection: answer(RoomReader(memory, connection))
            )


def _known(room: Room | None, room_id: RoomID) -> Room:
    if room is None or not room.latest:
        raise RoomUnknown(f"This server does not know the room {room_id}.")
    return room


def _reference_hashes(
    reader: RoomReader, room: Room, latest: list[EventID], state: list[Event]
) -> dict[EventID, str]:
    version = room_version(room.version)
    if not version.has_event_id_field:
        return _NO_HASHES
    events = {**reader.events(latest), **{one.event_id: one for one in state}}
    return {
        event_id: encode_base64(reference_hash(one.pdu, version))
        for event_id, one in events.items()
    }
