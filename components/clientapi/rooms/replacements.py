"""The rooms that replace others: found where they are, or made of what goes over."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from components.clientapi.profiles.member_profiles import MemberProfiles
from components.clientapi.rooms.successors import parsed_room_id, predecessor_of
from components.clientapi.rooms.transferred_state import (
    READ,
    replacement_create_content,
    transferred_power_levels,
    transferred_state,
)
from internalapi.roomserver import RoomDirectory, RoomQueries, RoomUnknown
from logs.records.room_input import Transaction
from matrix.events import Event
from matrix.identifiers import RoomID, UserID
from matrix.power_levels import creators_of
from matrix.room_versions import RoomVersion
from matrix.state_keys import CREATE, member_key
from roomwriting.building import Draft
from roomwriting.current_state import TOMBSTONE, State, field_of
from roomwriting.sending import EventSender

_EVENTS_AT_ONCE: Final = 500
"""So many events of a new room are written at once; the rest follows."""
_ROOMS_AT_ONCE: Final = 20


class UpgradeRequest(msgspec.Struct, frozen=True):
    """The body of `/upgrade`, checked."""

    version: RoomVersion
    additional_creators: Sequence[UserID] = ()


class Replacements:
    """Makes the rooms that replace others."""

    def __init__(
        self,
        *,
        sender: EventSender,
        rooms: RoomQueries,
        directory: RoomDirectory,
        profiles: MemberProfiles,
    ) -> None:
        self._sender = sender
        self._rooms = rooms
        self._directory = directory
        self._profiles = profiles

    async def find_finished(self, room_id: RoomID, request: UpgradeRequest) -> RoomID | None:
        """Return the room of the wanted version by which the tombstone says it was replaced."""
        state = await self._sender.state(room_id, [TOMBSTONE])
        new_room_id = parsed_room_id(field_of(state, TOMBSTONE, "replacement_room"))
        create = None if new_room_id is None else await self._create_event(new_room_id)
        if create is None or not _replaces(create, room_id, request):
            return None
        return new_room_id

    async def transaction(self, room_id: RoomID, request: UpgradeRequest) -> Transaction:
        """Return what all tombstones have in common that upgrade the room as it is now.

        The room server lets the first of them stand, whoever sends them through which replica.
        """
        former = (await self._sender.state(room_id, [TOMBSTONE])).get(TOMBSTONE)
        replaced = "" if former is None else former.event_id
        return Transaction("", "", f"{request.version.identifier} {replaced}")

    async def find_begun(
        self, room_id: RoomID, user_id: UserID, request: UpgradeRequest
    ) -> RoomID | None:
        """Return the room that the same request of the user has made, but no tombstone names."""
        joined = await self._rooms.query_rooms_of_user(user_id=user_id, memberships=["join"])
        creators = {user_id, *request.additional_creators}
        for start in range(0, len(joined), _ROOMS_AT_ONCE):
            some = [one.room_id for one in joined[start : start + _ROOMS_AT_ONCE]]
            for create in await asyncio.gather(*map(self._create_event, some)):
                if (
                    create is not None
                    and create.sender == user_id
                    and _replaces(create, room_id, request)
                    and creators_of(create) == creators
                ):
                    return create.room_id
        return None

    async def create(
        self,
        room_id: RoomID,
        user_id: UserID,
        request: UpgradeRequest,
        new_room_id: RoomID | None,
        tombstone: Event | None,
    ) -> RoomID:
        """Make the room and return its ID. Raises `AuthRejected`.

        It names the tombstone that has been prepared. The ID of a room of version 12 on depends
        on what it names, and the tombstone on the ID: then it names none.

        Where this is interrupted before the tombstone stands, the room goes on naming one that
        never was: an event's ID is the hash of all of it, of which nothing is kept, and nobody
        can make another event of that ID. Clients find rooms by `room_id`.
        """
        predecessor: dict[str, Any] = {"room_id": room_id}
        if tombstone is not None:
            predecessor["event_id"] = tombstone.event_id
        old = await self._old_state(room_id)
        content = replacement_create_content(
            request.version,
            user_id,
            old[CREATE],
            predecessor=predecessor,
            additional_creators=request.additional_creators,
        )
        create = Draft("m.room.create", user_id, content, state_key="")
        room = self._sender.new_room(request.version, create, new_room_id)
        first, *others = _parts(await self._drafts(old, room.room_id, user_id, request))
        await self._sender.create(room, first)
        for drafts in others:
            await self._sender.send_all(room.room_id, drafts)
        return room.room_id

    async def complete(
        self, room_id: RoomID, new_room_id: RoomID, user_id: UserID, request: UpgradeRequest
    ) -> None:
        """Write what is missing of a room that was begun. Raises `AuthRejected`."""
        state = await self._rooms.query_state(room_id=new_room_id)
        present = {event.state_tuple for event in state}
        old = await self._old_state(room_id)
        drafts = await self._drafts(old, new_room_id, user_id, request)
        missing = [one for one in drafts if (one.type, one.state_key) not in present]
        for some in _parts(missing):
            await self._sender.send_all(new_room_id, some)

    async def _create_event(self, room_id: RoomID) -> Event | None:
        try:
            return (await self._sender.state(room_id, [CREATE])).get(CREATE)
        except RoomUnknown:
            return None

    async def _old_state(self, room_id: RoomID) -> State:
        found = await self._rooms.query_state(room_id=room_id, types=list(READ))
        return {event.state_tuple: event for event in found}

    async def _drafts(
        self, old: State, new_room_id: RoomID, user_id: UserID, request: UpgradeRequest
    ) -> list[Draft]:
        """Return all that follows the create event, in the order in which it is allowed."""
        room_id = old[CREATE].room_id
        aliases = [
            *await self._directory.query_aliases(room_id=room_id),
            # Where this goes on with what was begun, they may have moved already.
            *await self._directory.query_aliases(room_id=new_room_id),
        ]
        creators = {user_id, *request.additional_creators}
        levels = transferred_power_levels(request.version, user_id, creators, old)
        member = {**await self._profiles.of(user_id), "membership": "join"}
        return [
            Draft("m.room.member", user_id, member, state_key=user_id),
            *(
                Draft(event_type, user_id, content, state_key=state_key)
                for (event_type, state_key), content in sorted(
                    transferred_state(request.version, old, aliases).items()
                )
            ),
            *await self._bans(room_id, user_id, creators),
            # Last: until then the creator may do everything, whatever the old room allowed.
            Draft("m.room.power_levels", user_id, levels, state_key=""),
        ]

    async def _bans(self, room_id: RoomID, user_id: UserID, creators: set[UserID]) -> list[Draft]:
        banned = await self._rooms.query_members(room_id=room_id, membership="ban")
        bans: list[Draft] = []
        for start in range(0, len(banned), _EVENTS_AT_ONCE):
            keys = [
                member_key(one)
                for one in banned[start : start + _EVENTS_AT_ONCE]
                if one not in creators
            ]
            state = await self._sender.state(room_id, keys)
            bans += [
                Draft("m.room.member", user_id, _ban(state[key]), state_key=key[1])
                for key in keys
                if key in state
            ]
        return bans


def _ban(old: Event) -> dict[str, Any]:
    reason = old.content.get("reason")
    return {"membership": "ban", **({"reason": reason} if isinstance(reason, str) else {})}


def _parts(drafts: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
    for start in range(0, len(drafts), _EVENTS_AT_ONCE):
        yield drafts[start : start + _EVENTS_AT_ONCE]


def _replaces(create: Event, room_id: RoomID, request: UpgradeRequest) -> bool:
    return predecessor_of(create) == room_id and create.room_version == request.version
