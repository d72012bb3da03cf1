"""Who keeps what they have set for a room in the room that replaces it ("Room Upgrades")."""

from typing import Final

from base.at_once import for_each
from internalapi.roomserver import RoomQueries, RoomUnknown
from internalapi.userapi import ReplacedRooms
from matrix.events import Event
from matrix.identifiers import RoomID, ServerName, UserID, server_of
from matrix.state_keys import CREATE, StateKey, member_key
from roomwriting.current_state import TOMBSTONE, State, field_of
from roomwriting.sending import EventSender

_AT_ONCE: Final = 10


class Successors:
    """Lets settings go over, for users who were in a room and are in its successor.

    Anybody can make a room that names another one as its predecessor. Only the tombstone of that
    one says that it was replaced, and by which room.
    """

    def __init__(
        self,
        sender: EventSender,
        rooms: RoomQueries,
        replaced_rooms: ReplacedRooms,
        server_name: ServerName,
    ) -> None:
        self._sender = sender
        self._rooms = rooms
        self._replaced_rooms = replaced_rooms
        self._server_name = server_name

    async def entered(self, user_id: UserID, room_id: RoomID, create: Event) -> bool:
        """Let the settings of a user who enters a room go over to it; again changes nothing.

        Returns whether nothing is left to do: false where the tombstone may come yet.
        """
        old_room_id = predecessor_of(create)
        if old_room_id is None:
            return True
        if await self._successor_of(old_room_id) != room_id:
            return False
        await self._take_over(user_id, old_room_id, room_id)
        return True

    async def replaced(self, old_room_id: RoomID) -> None:
        """Let the settings of all go over who are in the successor of a room already."""
        room_id = await self._successor_of(old_room_id)
        if room_id is None:
            return
        create = (await self._state(room_id, CREATE)).get(CREATE)
        if create is None or predecessor_of(create) != old_room_id:
            return
        joined = await self._rooms.query_members(room_id=room_id, membership="join")
        await for_each(
            [one for one in joined if server_of(one) == self._server_name],
            lambda user_id: self._take_over(user_id, old_room_id, room_id),
            at_once=_AT_ONCE,
        )

    async def _take_over(self, user_id: UserID, old_room_id: RoomID, room_id: RoomID) -> None:
        if await self._was_member(old_room_id, user_id):
            await self._replaced_rooms.perform_take_over(
                user_id=user_id, old_room_id=old_room_id, new_room_id=room_id
            )

    async def _successor_of(self, room_id: RoomID) -> RoomID | None:
        state = await self._state(room_id, TOMBSTONE)
        return parsed_room_id(field_of(state, TOMBSTONE, "replacement_room"))

    async def _was_member(self, room_id: RoomID, user_id: UserID) -> bool:
        """Return whether the user is in the room, or has left it after having been in it."""
        key = member_key(user_id)
        event = (await self._state(room_id, key)).get(key)
        if event is None or event.membership != "leave":
            return event is not None and event.membership == "join"
        # An event that ends a membership is authorised by the one that it ends.
        before = await self._rooms.query_events(event_ids=list(event.auth_event_ids))
        return any(
            (one.event.type, one.event.state_key) == key and one.event.membership == "join"
            for one in before
        )

    async def _state(self, room_id: RoomID, key: StateKey) -> State:
        try:
            return await self._sender.state(room_id, [key])
        except RoomUnknown:
            return {}


def predecessor_of(create: Event) -> RoomID | None:
    """Return the room that a create event says to be replaced."""
    predecessor = create.content.get("predecessor")
    return parsed_room_id(predecessor.get("room_id") if isinstance(predecessor, dict) else None)


def parsed_room_id(value: object) -> RoomID | None:
    """Return what an event names as a room, if it can be the ID of one."""
    return RoomID(value) if isinstance(value, str) and value.startswith("!") else None
