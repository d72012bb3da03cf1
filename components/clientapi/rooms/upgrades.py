"""Replacing a room by one of another version (client-server API, "Room Upgrades")."""

import asyncio
from typing import Final
from weakref import WeakValueDictionary

from msgspec.structs import replace

from components.clientapi.directory.aliases import AliasService
from components.clientapi.profiles.shown_profiles import ShownProfiles
from components.clientapi.rates import ClientApiRates
from components.clientapi.rooms.replacements import Replacements, UpgradeRequest
from components.clientapi.rooms.successors import Successors
from components.clientapi.rooms.transferred_state import quiet_power_levels
from internalapi.roomserver import RoomDirectory
from internalapi.userapi import Requester
from matrix.errors import AuthRejected, Forbidden, InvalidRoomState
from matrix.identifiers import RoomID, UserID
from matrix.state_keys import CREATE, POWER_LEVELS, member_key
from roomwriting.building import Draft
from roomwriting.current_state import TOMBSTONE, levels_of, membership_of
from roomwriting.sending import EventSender

_BODY: Final = "This room has been replaced"


class RoomUpgrades:
    """Upgrades rooms: makes the new room, says in the old one where it is, and moves the rest.

    Whatever is interrupted, the same request again goes on with the same new room. Of replicas
    that make a room each at the same instant, one sets the tombstone; the others answer with its
    room and leave theirs.
    """

    def __init__(
        self,
        *,
        sender: EventSender,
        directory: RoomDirectory,
        aliases: AliasService,
        replacements: Replacements,
        shown: ShownProfiles,
        successors: Successors,
        rates: ClientApiRates,
    ) -> None:
        self._sender = sender
        self._directory = directory
        self._aliases = aliases
        self._replacements = replacements
        self._shown = shown
        self._successors = successors
        self._rates = rates
        self._under_way: WeakValueDictionary[RoomID, asyncio.Lock] = WeakValueDictionary()

    async def upgrade(
        self, requester: Requester, room_id: RoomID, request: UpgradeRequest
    ) -> RoomID:
        """Replace a room and return the ID of the new one; again gives the same one.

        Raises `Forbidden` for one who may not send tombstones.
        """
        user_id = requester.user_id
        async with self._under_way.setdefault(room_id, asyncio.Lock()):
            await self._check(room_id, user_id)
            self._rates.check_creation(user_id)
            new_room_id = await self._replacements.find_finished(room_id, request)
            if new_room_id is None:
                new_room_id = await self._replace(room_id, user_id, request)
            await self._shown.correct(new_room_id, user_id, None)
            await self._hand_over(room_id, new_room_id, user_id)
        return new_room_id

    async def _check(self, room_id: RoomID, user_id: UserID) -> None:
        state = await self._sender.state(room_id, [CREATE, POWER_LEVELS, member_key(user_id)])
        if membership_of(state, user_id) != "join":
            raise Forbidden("You are not in this room.")
        levels = levels_of(state)
        if levels.user(user_id) < levels.event(TOMBSTONE[0], is_state=True):
            raise Forbidden("You cannot upgrade this room.")

    async def _replace(self, room_id: RoomID, user_id: UserID, request: UpgradeRequest) -> RoomID:
        """Make the new room, or make one complete that was begun, and set the tombstone.

        Returns the room of the tombstone that stands: another one where another was faster.
        """
        transaction = await self._replacements.transaction(room_id, request)
        tombstone = None
        try:
            new_room_id = await self._replacements.find_begun(room_id, user_id, request)
            if new_room_id is not None:
                await self._replacements.complete(room_id, new_room_id, user_id, request)
            else:
                new_room_id = self._sender.new_room_id(request.version)
                if new_room_id is not None:
                    draft = _tombstone(user_id, new_room_id)
                    tombstone = await self._sender.prepare(room_id, draft)
                new_room_id = await self._replacements.create(
                    room_id, user_id, request, new_room_id, tombstone
                )
        except AuthRejected as refusal:
            raise InvalidRoomState(refusal.message) from refusal
        if tombstone is None:
            draft = _tombstone(user_id, new_room_id)
            await self._sender.send(room_id, replace(draft, transaction=transaction))
        else:
            await self._sender.send_prepared(tombstone, transaction)
        standing = await self._replacements.find_finished(room_id, request)
        if standing is None or standing == new_room_id:
            return new_room_id
        left = Draft("m.room.member", user_id, {"membership": "leave"}, state_key=user_id)
        await self._sender.send(new_room_id, left)
        return standing

    async def _hand_over(self, room_id: RoomID, new_room_id: RoomID, user_id: UserID) -> None:
        """Let the old room give up what the new one takes; again changes nothing."""
        await self._directory.perform_replace_room(room_id=room_id, new_room_id=new_room_id)
        moved = await self._directory.query_aliases(room_id=new_room_id)
        await self._aliases.unpublish(user_id, room_id, moved)
        await self._successors.replaced(room_id)
        await self._quieten(room_id, user_id)

    async def _quieten(self, room_id: RoomID, user_id: UserID) -> None:
        """Stop talk in the old room, if the user may."""
        state = await self._sender.state(room_id, [CREATE, POWER_LEVELS])
        content = quiet_power_levels(state)
        if content is None:
            return
        draft = Draft("m.room.power_levels", user_id, content, state_key="")
        try:
            await self._sender.send(room_id, draft)
        except Forbidden:
            # "If possible", says the specification.
            return


def _tombstone(user_id: UserID, new_room_id: RoomID) -> Draft:
    content = {"body": _BODY, "replacement_room": new_room_id}
    return Draft(TOMBSTONE[0], user_id, content, state_key=TOMBSTONE[1])
