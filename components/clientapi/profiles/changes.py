"""Changes of a profile, and the member events that tell rooms of them."""

from typing import Any

from base.at_once import for_each
from components.clientapi.profiles.member_profiles import (
    MEMBER_FIELDS,
    MemberProfiles,
    checked_member_field,
)
from components.clientapi.profiles.shown_profiles import ShownProfiles
from internalapi.roomserver import RoomQueries
from internalapi.userapi import Profiles
from matrix.errors import BadJson
from matrix.identifiers import UserID


class ProfileChanges:
    """Sets profile fields of local users."""

    def __init__(
        self,
        *,
        rooms: RoomQueries,
        profiles: Profiles,
        member_profiles: MemberProfiles,
        shown: ShownProfiles,
        rooms_at_once: int,
    ) -> None:
        self._rooms = rooms
        self._profiles = profiles
        self._member_profiles = member_profiles
        self._shown = shown
        self._rooms_at_once = rooms_at_once

    async def set(self, user_id: UserID, field: str, value: Any) -> None:
        """Set a field; rooms that show it know when this returns.

        Empty or null display names and avatars remove the field; null is refused for others.
        """
        if field in MEMBER_FIELDS:
            value = checked_member_field(field, value)
        elif value is None:
            raise BadJson("A profile field cannot be null: remove it instead.")
        await self._change(user_id, field, value)

    async def remove(self, user_id: UserID, field: str) -> None:
        """Remove a field, which need not be there."""
        await self._change(user_id, field, None)

    async def _change(self, user_id: UserID, field: str, value: Any) -> None:
        await self._profiles.perform_set_profile_field(user_id=user_id, field=field, value=value)
        if field not in MEMBER_FIELDS:
            return
        # Also when the profile said so already: an earlier request may have been cut short
        # before all rooms knew. Rooms that know it get no event.
        while True:
            shown = await self._member_profiles.of(user_id)
            await self._announce_everywhere(user_id, shown)
            if await self._member_profiles.of(user_id) == shown:
                return
            # Another request has changed the profile meanwhile, and this one may have
            # overwritten in some rooms what that one announced.

    async def _announce_everywhere(self, user_id: UserID, shown: dict[str, Any]) -> None:
        joined = await self._rooms.query_rooms_of_user(user_id=user_id, memberships=["join"])
        await for_each(
            [one.room_id for one in joined],
            lambda room_id: self._shown.announce(room_id, user_id, shown),
            at_once=self._rooms_at_once,
        )
