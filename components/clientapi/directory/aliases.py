"""Room aliases of this server, and the events that publish them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from internalapi.roomserver import RoomDirectory
from internalapi.userapi import Requester
from matrix.errors import BadJson, Forbidden, InvalidParam, MatrixError, NotFound, RoomInUse
from matrix.identifiers import (
    RoomAlias,
    RoomID,
    ServerName,
    UserID,
    parse_room_alias,
    parse_room_id,
    server_of,
)
from matrix.state_keys import member_key
from roomwriting.building import Draft
from roomwriting.current_state import (
    CANONICAL_ALIAS,
    HISTORY_VISIBILITY,
    field_of,
    membership_of,
    require_joined,
    require_level_for_state,
)
from roomwriting.sending import EventSender

_ALIASES_MAX: Final = 100


class AliasTaken(MatrixError):
    """A room alias with that name already exists."""

    status = 409


class BadAlias(MatrixError):
    """The alias does not point to this room."""

    errcode = "M_BAD_ALIAS"


class AliasService:
    """Makes, removes and resolves aliases."""

    def __init__(
        self, sender: EventSender, directory: RoomDirectory, server_name: ServerName
    ) -> None:
        self._sender = sender
        self._directory = directory
        self._server_name = server_name

    async def room_of(self, room_id_or_alias: str) -> RoomID:
        """Return the room that an ID or alias names. Raises `InvalidParam` and `NotFound`."""
        if room_id_or_alias.startswith("#"):
            return await self.resolve(parse_room_alias(room_id_or_alias))
        return parse_room_id(room_id_or_alias)

    async def resolve(self, alias: RoomAlias) -> RoomID:
        """Return the room that an alias points to. Raises `NotFound`."""
        room_id = None
        if server_of(alias) == self._server_name:
            room_id = await self._directory.query_alias(alias=alias)
        if room_id is None:
            raise NotFound(f"Room alias {alias} not found.")
        return room_id

    async def create(self, requester: Requester, alias: RoomAlias, room_id: RoomID) -> None:
        """Point an alias to a room that the requester is in. Raises `AliasTaken` too."""
        if server_of(alias) != self._server_name:
            raise InvalidParam("The alias is not of this server.")
        require_plain(alias)
        await require_joined(self._sender, room_id, requester.user_id)
        try:
            await self._directory.perform_create_alias(
                alias=alias, room_id=room_id, creator=requester.user_id
            )
        except RoomInUse as taken:
            raise AliasTaken(f"Room alias {alias} already exists.") from taken

    async def delete(self, requester: Requester, alias: RoomAlias) -> None:
        """Remove an alias, and take it out of the room's canonical alias where that is allowed.

        Its creator may, and those who may change the canonical alias, and administrators.
        """
        room_id = await self.resolve(alias)
        creator = await self._directory.query_alias_creator(alias=alias)
        if creator != requester.user_id and not requester.is_admin:
            await require_level_for_state(
                self._sender, room_id, requester.user_id, "m.room.canonical_alias"
            )
        if not await self._directory.perform_delete_alias(alias=alias):
            raise NotFound(f"Room alias {alias} not found.")
        await self.unpublish(requester.user_id, room_id, [alias])

    async def unpublish(
        self, user_id: UserID, room_id: RoomID, aliases: Sequence[RoomAlias]
    ) -> None:
        """Take aliases out of the room's canonical alias, where the user may change that."""
        try:
            state = await self._sender.state(room_id, [CANONICAL_ALIAS])
            event = state.get(CANONICAL_ALIAS)
            content = {} if event is None else _without(event.content, aliases)
            if event is None or content == event.content:
                return
            await self._sender.send(
                room_id, Draft("m.room.canonical_alias", user_id, content, state_key="")
            )
        except (Forbidden, NotFound):
            # The aliases are gone all the same: the specification asks for no more.
            return

    async def aliases_of(self, requester: Requester, room_id: RoomID) -> list[RoomAlias]:
        """Return the local aliases of a room, for its members and where anyone can read it."""
        own = member_key(requester.user_id)
        state = await self._sender.state(room_id, [HISTORY_VISIBILITY, own])
        visibility = field_of(state, HISTORY_VISIBILITY, "history_visibility")
        if visibility != "world_readable" and membership_of(state, requester.user_id) != "join":
            raise Forbidden("You are not a member of the room.")
        return await self._directory.query_aliases(room_id=room_id)

    async def check_canonical_alias(self, room_id: RoomID, content: Mapping[str, Any]) -> None:
        """Raise `BadAlias` if the event names an alias, new to it, that points elsewhere.

        Raises `InvalidParam` for what is no alias, `BadJson` for another type.
        """
        wanted = named_aliases(content)
        state = await self._sender.state(room_id, [CANONICAL_ALIAS])
        event = state.get(CANONICAL_ALIAS)
        present = set() if event is None else _present_aliases(event.content)
        for alias in wanted:
            if alias in present:
                continue
            points_to = None
            if server_of(alias) == self._server_name:
                points_to = await self._directory.query_alias(alias=alias)
            if points_to != room_id:
                raise BadAlias(f"The alias {alias} does not point to this room.")


def require_plain(alias: str) -> None:
    """Raise `InvalidParam` for a new alias with white space in it."""
    if any(character.isspace() for character in alias):
        raise InvalidParam("An alias has no white space.")


def named_aliases(content: Mapping[str, Any]) -> list[RoomAlias]:
    """Return the aliases that the content of a canonical alias names."""
    alternatives = content.get("alt_aliases")
    if alternatives is None:
        alternatives = []
    if not isinstance(alternatives, list) or len(alternatives) > _ALIASES_MAX:
        raise BadJson(f"alt_aliases is no list of at most {_ALIASES_MAX} aliases.")
    alias = content.get("alias")
    named = alternatives if alias in (None, "") else [alias, *alternatives]
    if not all(isinstance(one, str) for one in named):
        raise BadJson("An alias is a string.")
    return [parse_room_alias(one) for one in named]


def _present_aliases(content: Mapping[str, Any]) -> set[str]:
    """Return what the event in the room names; it may hold anything."""
    alternatives = content.get("alt_aliases")
    named = alternatives if isinstance(alternatives, list) else []
    return {one for one in (content.get("alias"), *named) if isinstance(one, str)}


def _without(content: Mapping[str, Any], aliases: Sequence[RoomAlias]) -> dict[str, Any]:
    left = dict(content)
    if left.get("alias") in aliases:
        del left["alias"]
    alternatives = left.get("alt_aliases")
    if isinstance(alternatives, list) and any(one in aliases for one in alternatives):
        left["alt_aliases"] = [one for one in alternatives if one not in aliases]
    return left
