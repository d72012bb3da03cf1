"""Rooms show local users as their profiles say, whichever of both changes first."""

from collections.abc import Mapping
from typing import Any, Final

from components.clientapi.current_state import membership_of
from components.clientapi.member_profiles import MEMBER_FIELDS, MemberProfiles
from components.clientapi.sending import Draft, EventSender
from matrix.errors import Forbidden, NotFound
from matrix.identifiers import RoomID, UserID
from matrix.state_keys import member_key

_OF_ONE_EVENT: Final = frozenset({"reason", "join_authorised_via_users_server", *MEMBER_FIELDS})


class ShownProfiles:
    """Sends the member events that tell a room of a profile."""

    def __init__(self, sender: EventSender, profiles: MemberProfiles) -> None:
        self._sender = sender
        self._profiles = profiles

    async def correct(
        self, room_id: RoomID, user_id: UserID, copied: Mapping[str, Any] | None
    ) -> None:
        """Let a room show the profile as it is now, after an event has brought a copy of it.

        Whoever changes a profile tells the rooms that the user is in then. A join that has copied
        it before, and stands only after that, would show the old one for good: so who has copied
        looks again. `None` stands for a copy that is not known; one that is up to date costs no
        event.
        """
        while (now := await self._profiles.of(user_id)) != copied:
            await self.announce(room_id, user_id, now)
            copied = now

    async def announce(self, room_id: RoomID, user_id: UserID, shown: Mapping[str, Any]) -> None:
        """Let a room show this of a user, if the user is in it and it does not yet."""
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
            # Left or banned meanwhile: there is nothing to show any more.
            return
