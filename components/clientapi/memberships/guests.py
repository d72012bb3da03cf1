"""Guests leave rooms that are no longer open to them (client-server API, "Guest Access")."""

from typing import Final

from base.at_once import for_each
from internalapi.roomserver import RoomQueries
from internalapi.userapi import Accounts
from matrix.errors import Forbidden
from matrix.identifiers import RoomID, ServerName, UserID, server_of
from matrix.state_keys import member_key
from roomwriting.building import Draft
from roomwriting.current_state import GUEST_ACCESS, field_of, membership_of
from roomwriting.sending import EventSender

_ASKED_AT_ONCE: Final = 500
_ROOM_CLOSED: Final = "Guests can no longer be in this room."


class GuestRemoval:
    """Takes this server's guests out of rooms."""

    def __init__(
        self,
        sender: EventSender,
        rooms: RoomQueries,
        accounts: Accounts,
        server_name: ServerName,
        at_once: int,
    ) -> None:
        self._sender = sender
        self._rooms = rooms
        self._accounts = accounts
        self._server_name = server_name
        self._at_once = at_once

    async def remove_where_closed(self, room_id: RoomID) -> None:
        """Let all guests leave a room unless they can join it; again is without harm.

        Raises what sending raises: then it has to be done again.
        """
        if not await self._is_open(room_id):
            await self.remove_all(room_id)

    async def remove_all(self, room_id: RoomID) -> None:
        """Let all guests leave a room. Raises what sending raises."""
        await for_each(
            await self._guests_in(room_id),
            lambda guest: self._remove(room_id, guest),
            at_once=self._at_once,
        )

    async def remove_if_closed(self, room_id: RoomID, guest: UserID) -> None:
        """Let one guest leave a room that was closed while they joined it."""
        if not await self._is_open(room_id):
            await self._remove(room_id, guest)

    async def _is_open(self, room_id: RoomID) -> bool:
        state = await self._sender.state(room_id, [GUEST_ACCESS])
        return bool(field_of(state, GUEST_ACCESS, "guest_access") == "can_join")

    async def _guests_in(self, room_id: RoomID) -> list[UserID]:
        joined = await self._rooms.query_members(room_id=room_id, membership="join")
        local = [one for one in joined if server_of(one) == self._server_name]
        guests: list[UserID] = []
        for start in range(0, len(local), _ASKED_AT_ONCE):
            asked = local[start : start + _ASKED_AT_ONCE]
            guests += await self._accounts.query_guests(user_ids=asked)
        return guests

    async def _remove(self, room_id: RoomID, guest: UserID) -> None:
        state = await self._sender.state(room_id, [member_key(guest)])
        if membership_of(state, guest) != "join":
            return
        content = {"membership": "leave", "reason": _ROOM_CLOSED}
        draft = Draft("m.room.member", guest, content, state_key=guest)
        try:
            await self._sender.send(room_id, draft)
        except Forbidden:
            # They have left meanwhile, or were banned: otherwise they would be let out.
            return
