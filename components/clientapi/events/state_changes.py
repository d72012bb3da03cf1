"""State events that clients set."""

from collections.abc import Mapping
from typing import Any

from components.clientapi.directory.aliases import AliasService
from components.clientapi.events.relations import RelationChecks
from components.clientapi.memberships.guests import GuestRemoval
from components.clientapi.memberships.service import MembershipService
from components.clientapi.rooms.successors import Successors
from internalapi.userapi import Requester
from matrix.canonical import encode_canonical
from matrix.errors import Forbidden, InvalidParam
from matrix.identifiers import EventID, RoomID, parse_user_id
from matrix.state_keys import StateKey, member_key
from requesting.requesters import require_active
from roomwriting.building import Draft
from roomwriting.current_state import GUEST_ACCESS, TOMBSTONE, membership_of
from roomwriting.sending import EventSender


class StateChanges:
    """Sets state, through the checks that the type of the event asks for."""

    def __init__(
        self,
        *,
        sender: EventSender,
        memberships: MembershipService,
        aliases: AliasService,
        guests: GuestRemoval,
        relations: RelationChecks,
        successors: Successors,
    ) -> None:
        self._sender = sender
        self._memberships = memberships
        self._aliases = aliases
        self._guests = guests
        self._relations = relations
        self._successors = successors

    async def put(
        self,
        requester: Requester,
        room_id: RoomID,
        event_type: str,
        state_key: str,
        content: Mapping[str, Any],
    ) -> EventID:
        """Set one entry of a room's state and return the event that holds it then.

        The same content from the same sender changes nothing: the event that is there stays.
        Suspended accounts leave rooms, and change nothing else.
        """
        if event_type == "m.room.create":
            raise InvalidParam("A room is created once.")
        if event_type == "m.room.redaction":
            raise Forbidden("A redaction is not state.")
        if event_type == "m.room.member":
            target = parse_user_id(state_key)
            if target != requester.user_id or content.get("membership") != "leave":
                require_active(requester)
            return await self._memberships.set_membership(requester, room_id, target, content)
        require_active(requester)
        event_id = await self._set(requester, room_id, (event_type, state_key), content)
        if (event_type, state_key) == GUEST_ACCESS:
            # Also where nothing changed: an earlier request may have come only so far.
            await self._guests.remove_where_closed(room_id)
        elif (event_type, state_key) == TOMBSTONE:
            await self._successors.replaced(room_id)
        return event_id

    async def _set(
        self, requester: Requester, room_id: RoomID, key: StateKey, content: Mapping[str, Any]
    ) -> EventID:
        event_type, state_key = key
        present = await self._present(requester, room_id, key, content)
        if present is not None:
            return present
        if event_type == "m.room.canonical_alias" and not state_key:
            await self._aliases.check_canonical_alias(room_id, content)
        if key == TOMBSTONE and content.get("replacement_room") == room_id:
            raise InvalidParam("A room is not replaced by itself.")
        draft = Draft(event_type, requester.user_id, content, state_key=state_key)
        if "m.relates_to" not in content:
            return await self._sender.send(room_id, draft)
        async with self._relations.checked(room_id, draft):
            return await self._sender.send(room_id, draft)

    async def _present(
        self, requester: Requester, room_id: RoomID, key: StateKey, content: Mapping[str, Any]
    ) -> EventID | None:
        """Return the event by which the requester, who is in the room, has said the same."""
        state = await self._sender.state(room_id, [key, member_key(requester.user_id)])
        event = state.get(key)
        if event is None or event.sender != requester.user_id:
            return None
        if membership_of(state, requester.user_id) != "join":
            return None
        # Compared as JSON: Python holds 1 and true for equal.
        if encode_canonical(event.content) != encode_canonical(content):
            return None
        return event.event_id
