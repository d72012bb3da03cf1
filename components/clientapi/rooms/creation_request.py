"""What a client asks for when it creates a room."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from base.http import Fields
from components.clientapi.directory.aliases import named_aliases, require_plain
from components.clientapi.settings import ClientApiSettings
from matrix.errors import BadJson, Forbidden, InvalidParam, InvalidRoomState
from matrix.identifiers import RoomAlias, ServerName, UserID, parse_room_alias, parse_user_id
from matrix.room_versions import RoomVersion, room_version

Preset = Literal["private_chat", "trusted_private_chat", "public_chat"]
_PRESETS: Final[Mapping[str, Preset]] = {
    "private_chat": "private_chat",
    "trusted_private_chat": "trusted_private_chat",
    "public_chat": "public_chat",
}
_VISIBILITIES: Final = ("public", "private")
_NEVER_INITIAL: Final = frozenset({"m.room.create", "m.room.member", "m.room.redaction"})


class ThirdPartyInviteDenied(Forbidden):
    """This server does not invite by third-party identifiers."""

    errcode = "M_THREEPID_DENIED"


class StateWanted(msgspec.Struct, frozen=True):
    """One entry of `initial_state`."""

    type: str
    state_key: str
    content: Mapping[str, Any]


class CreationRequest(msgspec.Struct, frozen=True):
    """The body of `/createRoom`, checked."""

    version: RoomVersion
    preset: Preset
    is_published: bool = False
    alias: RoomAlias | None = None
    name: str | None = None
    topic: str | None = None
    invites: Sequence[UserID] = ()
    initial_state: Sequence[StateWanted] = ()
    creation_content: Mapping[str, Any] = {}
    power_levels: Mapping[str, Any] = {}
    is_direct: bool = False


class CreationParser:
    """Reads creation requests."""

    def __init__(
        self, server_name: ServerName, default_version: str, settings: ClientApiSettings
    ) -> None:
        self._server_name = server_name
        self._default_version = default_version
        self._settings = settings

    def parse(self, body: Fields, creator: UserID) -> CreationRequest:
        """Return what the body asks for. Raises the refusals that `/createRoom` names."""
        visibility = body.optional_string("visibility", "private")
        if visibility not in _VISIBILITIES:
            raise InvalidParam("visibility is neither public nor private.")
        if body.optional_list_of_objects("invite_3pid"):
            raise ThirdPartyInviteDenied
        is_published = visibility == "public"
        alias = self._alias(body.optional_string("room_alias_name"))
        return CreationRequest(
            version=room_version(body.optional_string("room_version", self._default_version)),
            preset=_preset(body, is_published=is_published),
            is_published=is_published,
            alias=alias,
            name=body.optional_string("name"),
            topic=body.optional_string("topic"),
            invites=self._invites(body, creator),
            initial_state=self._initial_state(body, alias),
            creation_content=body.optional_json_object("creation_content") or {},
            power_levels=body.optional_json_object("power_level_content_override") or {},
            is_direct=body.boolean("is_direct", default=False),
        )

    def _alias(self, localpart: str | None) -> RoomAlias | None:
        if localpart is None:
            return None
        if not localpart or ":" in localpart:
            raise InvalidParam("room_alias_name is the part of an alias before the colon.")
        require_plain(localpart)
        return parse_room_alias(f"#{localpart}:{self._server_name}")

    def _invites(self, body: Fields, creator: UserID) -> list[UserID]:
        invites = [parse_user_id(one) for one in body.optional_list_of_strings("invite")]
        if len(invites) > self._settings.max_invites_at_creation:
            raise InvalidParam(
                f"A new room invites at most {self._settings.max_invites_at_creation} users."
            )
        if creator in invites:
            raise InvalidParam("The creator is in the room without an invite.")
        return list(dict.fromkeys(invites))

    def _initial_state(self, body: Fields, alias: RoomAlias | None) -> list[StateWanted]:
        wanted = [
            StateWanted(
                one.string("type"),
                one.optional_string("state_key", ""),
                one.json_object("content"),
            )
            for one in body.optional_list_of_objects("initial_state")
        ]
        if len(wanted) > self._settings.max_initial_state_events:
            raise InvalidParam(
                f"initial_state has at most {self._settings.max_initial_state_events} events."
            )
        for one in wanted:
            if one.type in _NEVER_INITIAL:
                raise InvalidRoomState(f"initial_state cannot hold {one.type}.")
            if one.type == "m.room.canonical_alias" and set(named_aliases(one.content)) - {alias}:
                raise InvalidRoomState("Only the new room's own alias points to it.")
        return wanted


def _preset(body: Fields, *, is_published: bool) -> Preset:
    given = body.optional_string("preset")
    if given is None:
        return "public_chat" if is_published else "private_chat"
    preset = _PRESETS.get(given)
    if preset is None:
        raise InvalidParam(f"preset is none of {', '.join(_PRESETS)}.")
    return preset


def parse_creators(value: Any) -> list[UserID]:
    """Return a list of additional creators. Raises `BadJson` and `InvalidParam`."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadJson("additional_creators is no list of user IDs.")
    return [parse_user_id(one) for one in value]
