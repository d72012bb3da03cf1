"""Changes of a profile, and the member events that tell rooms of them."""

import asyncio
from typing import Any, Final

from components.clientapi.current_state import membership_of
from components.clientapi.member_profiles import (
    MEMBER_FIELDS,
    MemberProfiles,
    checked_member_field,
)
from components.clientapi.sending import Draft, EventSender
from components.clientapi.suspension import require_active
from internalapi.roomserver import RoomMembership, RoomQueries
from internalapi.userapi import Profiles, Requester
from matrix.errors import BadJson, Forbidden, NotFound
from matrix.identifiers import UserID
from matrix.state_keys import member_key

_PASSES: Final = 4
_OF_ONE_EVENT: Final = frozenset({"reason", "join_authorised_via_users_server", *MEMBER_FIELDS})


class ProfileChanges:
    """Sets profile fields of local users."""

    def __init__(
        self,
        *,
        sender: EventSender,
        rooms: RoomQueries,
        profiles: Profiles,
        member_profiles: MemberProfiles,
        rooms_at_once: int,
    ) -> None:
        self._sender = sender
        self._rooms = rooms
        self._profiles = profiles
        self._member_profiles = member_profiles
        self._rooms_at_once = rooms_at_once

    async def set(self, requester: Requester, field: str, value: Any) -> None:
        """Set a field; rooms that show it know when this returns.

        Empty or null display names and avatars remove the field; null is refused for others.
        """
        require_active(requester)
        if field in MEMBER_FIELDS:
            value = checked_member_field(field, value)
        elif value is None:
            raise BadJson("A profile field cannot be null: remove it instead.")
        await self._change(requester.user_id, field, value)

    async def remove(self, requester: Requester, field: str) -> None:
        """Remove a field, which need not be there."""
        require_active(requester)
        await self._change(requester.user_id, field, None)

    async def _change(self, user_id: UserID, field: str, value: Any) -> None:
        await self._profiles.perform_set_profile_field(user_id=user_id, field=field, value=value)
        if field not in MEMBER_FIELDS:
            return
        # Also when the profile said so already: an earlier request may have been cut short
        # before all rooms knew. Rooms that know it get no event.
        for _ in range(_PASSES):
            shown = await self._member_profiles.of(user_id)
            await self._announce_everywhere(user_id, shown)
            if await self._member_profiles.of(user_id) == shown:
                return
            # Another request has changed the profile meanwhile, and this one may have
            # overwritten in some rooms what that one announced.

    async def _announce_everywhere(self, user_id: UserID, shown: dict[str, Any]) -> None:
        joined = await self._rooms.query_rooms_of_user(user_id=user_id, memberships=["join"])
        remaining = iter(joined)

        async def announce_some() -> None:
            for membership in remaining:
                await self._announce(membership, shown)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._rooms_at_once, len(joined))):
                group.create_task(announce_some())

    async def _announce(self, membership: RoomMembership, shown: dict[str, Any]) -> None:
        room_id, user_id = membership.room_id, membership.user_id
        try:
            state = await self._sender.state(room_id, [member_key(user_id)])
            if membership_of(state, user_id) != "join":
                return
            present = state[member_key(user_id)].content
            if all(present.get(name) == shown.get(name) for name in MEMBER_FIELDS):
                return
            kept = {name: value for name, value in present.items() if name not in _OF_ONE_EVENT}
            await self._sender.send(
                room_id,
                Draft("m.room.member", user_id, {**kept, **shown}, state_key=user_id),
            )
        except (Forbidden, NotFound):
            # Left or banned meanwhile: the other rooms hear of it all the same.
            return
