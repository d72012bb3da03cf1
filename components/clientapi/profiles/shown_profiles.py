"""Rooms show local users as their profiles say, and none whose account has ended.

Whichever comes first, the user into the room or the change of the profile or account, both orders
end alike: who brought a user into a room looks again once the user stands there.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from components.clientapi.profiles.member_profiles import MEMBER_FIELDS, MemberProfiles
from logs.log import Log
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.errors import Forbidden, NotFound, UnknownToken
from matrix.identifiers import RoomID, UserID
from matrix.state_keys import member_key
from roomwriting.building import Draft
from roomwriting.current_state import membership_of
from roomwriting.leaving import leave_room
from roomwriting.sending import EventSender

_OF_ONE_EVENT: Final = frozenset({"reason", "join_authorised_via_users_server", *MEMBER_FIELDS})


class ProfileCopy(NamedTuple):
    """What member events are to show of a user, as it was read."""

    shown: Mapping[str, Any]
    upto: int
    """All changes before this place in the user's partition of OutputClientData are in it."""


class ShownProfiles:
    """Sends the member events that tell a room of a profile."""

    def __init__(self, sender: EventSender, profiles: MemberProfiles, log: Log) -> None:
        self._sender = sender
        self._profiles = profiles
        self._log = log

    async def copy(self, user_id: UserID) -> ProfileCopy:
        """Return what a member event is to show of a user. Raises `NotFound` without an account."""
        return (await self.copy_all([user_id]))[user_id]

    async def copy_all(self, user_ids: Collection[UserID]) -> dict[UserID, ProfileCopy]:
        """Return the same for several users."""
        ends = await self._announced_ends()
        copies: dict[UserID, ProfileCopy] = {}
        for user_id in user_ids:
            await self._profiles.require_account(user_id)
            shown = await self._profiles.of(user_id)
            copies[user_id] = ProfileCopy(shown, ends[self._partition_of(user_id)])
        return copies

    async def copy_own(self, user_id: UserID) -> ProfileCopy:
        """Return the same for the sender of a request. Raises `UnknownToken` without an account."""
        try:
            return await self.copy(user_id)
        except NotFound as error:
            raise UnknownToken("The account was deactivated.") from error

    async def correct_all(self, room_id: RoomID, copies: Mapping[UserID, ProfileCopy]) -> None:
        """Do what `correct` does, after events have brought copies of several users."""
        ends = await self._announced_ends()
        for user_id, copied in copies.items():
            if copied.upto != ends[self._partition_of(user_id)]:
                await self.correct(room_id, user_id, copied)

    async def correct(self, room_id: RoomID, user_id: UserID, copied: ProfileCopy | None) -> None:
        """Let a room show the profile as it is now, after an event has brought a copy of it.

        A change of a profile is announced, and then told to the rooms that the user is in. A join
        that has copied it before, and stands only after that, would show the old one for good: so
        the copy is compared again, if anything was announced meanwhile. `None` stands for a copy
        that is not known; one that is up to date costs no event.

        So it is with the end of an account: it is announced, and then the user leaves all rooms
        where they are by then. Whom a room has let in only after that leaves it here.
        """
        partition = self._partition_of(user_id)
        while copied is None or copied.upto != (await self._announced_ends())[partition]:
            try:
                now = await self.copy(user_id)
            except NotFound:
                await leave_room(self._sender, room_id, user_id)
                return
            if copied is not None and now.shown == copied.shown:
                return
            await self.announce(room_id, user_id, now.shown)
            copied = now

    async def _announced_ends(self) -> Sequence[int]:
        topic = OUTPUT_CLIENT_DATA.name
        return (await self._log.ends([topic]))[topic]

    def _partition_of(self, user_id: UserID) -> int:
        return self._log.partition_of(OUTPUT_CLIENT_DATA.name, user_id)

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
