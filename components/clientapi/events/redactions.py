"""Redactions that clients ask for: who may redact what."""

from collections.abc import Mapping
from typing import Any, Final

from components.clientapi.memberships.guests import GuestRemoval
from components.clientapi.visible_events import PresentMember, VisibleEvents
from internalapi.roomserver import RoomQueries
from internalapi.userapi import Requester
from logs.records.room_input import Transaction
from matrix.errors import Forbidden, InvalidParam, NotFound
from matrix.events import Event
from matrix.identifiers import EventID, RoomID, ServerName, server_of
from matrix.state_keys import CREATE, POWER_LEVELS, member_key
from requesting.requesters import require_active
from roomwriting.building import Draft
from roomwriting.current_state import GUEST_ACCESS, levels_of, membership_of
from roomwriting.sending import EventSender

# Without its content, a list of servers lets no server in.
_NEVER_REDACTED: Final = frozenset({"m.room.create", "m.room.server_acl"})


class RedactionService:
    """Sends redactions.

    The rules of events let any user of a server redact what others of the same server sent: that
    each redacts only their own is the duty of the client-server API (`/redact`).
    """

    def __init__(
        self,
        sender: EventSender,
        rooms: RoomQueries,
        server_name: ServerName,
        guests: GuestRemoval,
        visible: VisibleEvents,
    ) -> None:
        self._visible = visible
        self._guests = guests
        self._sender = sender
        self._rooms = rooms
        self._server_name = server_name

    async def redact(
        self,
        requester: Requester,
        room_id: RoomID,
        target_id: EventID,
        content: Mapping[str, Any],
        transaction: Transaction,
    ) -> EventID:
        """Redact an event and return the redaction's ID.

        Raises `NotFound` for an event that is not known in the room or that they may not see,
        `Forbidden`, and `UserSuspended` for what others sent.
        """
        target = await self._check(requester, room_id, target_id)
        event_id = await self._sender.send(
            room_id,
            Draft(
                "m.room.redaction",
                requester.user_id,
                content,
                redacts=target_id,
                transaction=transaction,
            ),
        )
        if target.state_key is not None and target.state_tuple == GUEST_ACCESS:
            await self._remove_guests(room_id, target_id)
        return event_id

    async def _remove_guests(self, room_id: RoomID, redacted: EventID) -> None:
        """Let all guests leave if the room was open to them by the event without its content."""
        state = await self._sender.state(room_id, [GUEST_ACCESS])
        held = state.get(GUEST_ACCESS)
        if held is not None and held.event_id == redacted:
            await self._guests.remove_all(room_id)

    async def _check(self, requester: Requester, room_id: RoomID, target_id: EventID) -> Event:
        user_id = requester.user_id
        state = await self._sender.state(room_id, [CREATE, POWER_LEVELS, member_key(user_id)])
        # First, so that nobody outside learns which events there are.
        if membership_of(state, user_id) != "join":
            raise Forbidden("You are not in this room.")
        stored = await self._rooms.query_events(event_ids=[target_id])
        target = stored[0].event if stored and stored[0].event.room_id == room_id else None
        if target is not None and target.sender == user_id:
            return _redactable(target)
        require_active(requester)
        if target is not None and self._is_administered(requester, target):
            return _redactable(target)
        levels = levels_of(state)
        # Before what is not there, so that nobody learns of events which they may not see.
        if levels.user(user_id) < levels.redact:
            raise Forbidden(f"Redacting what others sent needs the power level {levels.redact}.")
        member = PresentMember(user_id, state[member_key(user_id)].depth)
        if target is None or not await self._visible.is_visible(
            room_id, member, target_id, target.depth
        ):
            raise NotFound("There is no such event in this room.")
        return _redactable(target)

    def _is_administered(self, requester: Requester, target: Event) -> bool:
        return requester.is_admin and server_of(target.sender) == self._server_name


def _redactable(target: Event) -> Event:
    if target.type in _NEVER_REDACTED:
        raise Forbidden(f"{target.type} cannot be redacted.")
    return target


def split_redacts(content: Mapping[str, Any]) -> tuple[EventID, dict[str, Any]]:
    """Return the event that the content of a redaction names, and the rest of the content."""
    rest = dict(content)
    target_id = rest.pop("redacts", None)
    if not isinstance(target_id, str) or not target_id.startswith("$"):
        raise InvalidParam("A redaction names in redacts the event that it redacts.")
    return EventID(target_id), rest
