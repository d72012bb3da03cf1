"""Replacing a room by one of another version (client-server API, "Room Upgrades")."""

from collections.abc import Sequence
from typing import Final

import msgspec

from components.clientapi.current_state import State, levels_of, membership_of
from components.clientapi.member_profiles import MemberProfiles
from components.clientapi.rates import Rates
from components.clientapi.sending import Draft, EventSender
from components.clientapi.successors import Successors
from components.clientapi.suspension import require_active
from components.clientapi.transferred_state import (
    TRANSFERRED,
    quiet_power_levels,
    replacement_create_content,
    transferred_power_levels,
)
from internalapi.roomserver import RoomDirectory, RoomQueries
from internalapi.userapi import Requester
from matrix.errors import AuthRejected, Forbidden, InvalidRoomState
from matrix.identifiers import EventID, RoomID, UserID
from matrix.room_versions import RoomVersion
from matrix.state_keys import CREATE, POWER_LEVELS, member_key

_TOMBSTONE: Final = "m.room.tombstone"


class UpgradeRequest(msgspec.Struct, frozen=True):
    """The body of `/upgrade`, checked."""

    version: RoomVersion
    additional_creators: Sequence[UserID] = ()


class RoomUpgrades:
    """Upgrades rooms."""

    def __init__(
        self,
        *,
        sender: EventSender,
        rooms: RoomQueries,
        directory: RoomDirectory,
        profiles: MemberProfiles,
        successors: Successors,
        rates: Rates,
    ) -> None:
        self._sender = sender
        self._rooms = rooms
        self._directory = directory
        self._profiles = profiles
        self._successors = successors
        self._rates = rates

    async def upgrade(
        self, requester: Requester, room_id: RoomID, request: UpgradeRequest
    ) -> RoomID:
        """Replace a room and return the ID of the new one.

        Raises `Forbidden` for one who may not send tombstones.
        """
        require_active(requester)
        user_id = requester.user_id
        await self._check(room_id, user_id)
        self._rates.check_creation(user_id)
        new_room_id = await self._create(room_id, user_id, request)
        await self._move_aliases(room_id, new_room_id)
        content = {"body": "This room has been replaced", "replacement_room": new_room_id}
        await self._sender.send(room_id, Draft(_TOMBSTONE, user_id, content, state_key=""))
        await self._successors.replaced(room_id)
        await self._quieten(room_id, user_id)
        return new_room_id

    async def _check(self, room_id: RoomID, user_id: UserID) -> None:
        state = await self._sender.state(room_id, [CREATE, POWER_LEVELS, member_key(user_id)])
        if membership_of(state, user_id) != "join":
            raise Forbidden("You are not in this room.")
        levels = levels_of(state)
        if levels.user(user_id) < levels.event(_TOMBSTONE, is_state=True):
            raise Forbidden("You cannot upgrade this room.")

    async def _create(self, room_id: RoomID, user_id: UserID, request: UpgradeRequest) -> RoomID:
        head = await self._rooms.query_room_head(room_id=room_id, state_keys=[])
        wanted = [CREATE[0], POWER_LEVELS[0], *TRANSFERRED]
        found = await self._rooms.query_state(room_id=room_id, types=wanted)
        old = {event.state_tuple: event for event in found}
        content = replacement_create_content(
            request.version,
            user_id,
            old[CREATE],
            predecessor={"room_id": room_id, "event_id": head.latest_event_ids[0]},
            additional_creators=request.additional_creators,
        )
        drafts = await self._drafts(user_id, request, old)
        try:
            room = self._sender.new_room(
                request.version, Draft("m.room.create", user_id, content, state_key="")
            )
            await self._sender.create(room, drafts)
        except AuthRejected as refusal:
            raise InvalidRoomState(refusal.message) from refusal
        return room.room_id

    async def _drafts(self, user_id: UserID, request: UpgradeRequest, old: State) -> list[Draft]:
        member = {**await self._profiles.of(user_id), "membership": "join"}
        state = [
            Draft(event_type, user_id, event.content, state_key="")
            for event_type in TRANSFERRED
            if (event := old.get((event_type, ""))) is not None
        ]
        creators = {user_id, *request.additional_creators}
        levels = transferred_power_levels(request.version, user_id, creators, old)
        return [
            Draft("m.room.member", user_id, member, state_key=user_id),
            *state,
            # Last: until then the creator may do everything, whatever the old room allowed.
            Draft("m.room.power_levels", user_id, levels, state_key=""),
        ]

    async def _move_aliases(self, room_id: RoomID, new_room_id: RoomID) -> None:
        for alias in await self._directory.query_aliases(room_id=room_id):
            creator = await self._directory.query_alias_creator(alias=alias)
            if creator is None or not await self._directory.perform_delete_alias(alias=alias):
                continue
            await self._directory.perform_create_alias(
                alias=alias, room_id=new_room_id, creator=creator
            )
        if await self._directory.query_is_published(room_id=room_id):
            await self._directory.perform_publish(room_id=new_room_id, is_published=True)
            await self._directory.perform_publish(room_id=room_id, is_published=False)

    async def _quieten(self, room_id: RoomID, user_id: UserID) -> EventID | None:
        """Stop talk in the old room, if the user may."""
        state = await self._sender.state(room_id, [CREATE, POWER_LEVELS])
        content = quiet_power_levels(state)
        if content is None:
            return None
        draft = Draft("m.room.power_levels", user_id, content, state_key="")
        try:
            return await self._sender.send(room_id, draft)
        except Forbidden:
            # "If possible", says the specification.
            return None
