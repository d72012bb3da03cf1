"""The events that a room begins with (client-server API, `/createRoom`)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from components.clientapi.rooms.creation_request import CreationRequest, Preset, parse_creators
from matrix.identifiers import UserID
from matrix.power_levels import CREATOR_LEVEL
from matrix.room_versions import RoomVersion
from matrix.state_keys import StateKey
from roomwriting.building import Draft

_STATE_DEFAULT: Final = 50
_TOMBSTONE_LEVEL: Final = 150
"""Above `state_default` from room version 12 on, where only creators upgrade a room."""
_EVENT_LEVELS: Final[Mapping[str, int]] = {
    "m.room.avatar": 50,
    "m.room.canonical_alias": 50,
    "m.room.encryption": 100,
    "m.room.history_visibility": 100,
    "m.room.name": 50,
    "m.room.power_levels": 100,
    "m.room.server_acl": 100,
    "m.room.tombstone": 100,
}
_PRESET_STATE: Final[Mapping[Preset, Mapping[str, Mapping[str, Any]]]] = {
    "private_chat": {
        "m.room.join_rules": {"join_rule": "invite"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "can_join"},
    },
    "trusted_private_chat": {
        "m.room.join_rules": {"join_rule": "invite"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "can_join"},
    },
    "public_chat": {
        "m.room.join_rules": {"join_rule": "public"},
        "m.room.history_visibility": {"history_visibility": "shared"},
        "m.room.guest_access": {"guest_access": "forbidden"},
    },
}


def create_content(
    version: RoomVersion,
    creator: UserID,
    given: Mapping[str, Any],
    trusted: Iterable[UserID] = (),
) -> dict[str, Any]:
    """Return the content of the create event.

    `trusted` become creators too where the room version has several.
    """
    content = {**given, "room_version": version.identifier}
    content.pop("creator", None)
    if not version.creator_is_sender:
        content["creator"] = creator
    if version.privileged_creators:
        named = parse_creators(content.pop("additional_creators", None))
        additional = [one for one in dict.fromkeys([*named, *trusted]) if one != creator]
        if additional:
            content["additional_creators"] = additional
    return content


def power_levels_content(
    version: RoomVersion,
    creator: UserID,
    override: Mapping[str, Any],
    trusted: Iterable[UserID] = (),
) -> dict[str, Any]:
    """Return the content of the first power levels event, what the client overrides on top."""
    users: dict[str, int] = {}
    if not version.privileged_creators:
        users = dict.fromkeys((creator, *trusted), CREATOR_LEVEL)
    content: dict[str, Any] = {
        "users": users,
        "users_default": 0,
        "events": dict(_EVENT_LEVELS),
        "events_default": 0,
        "state_default": _STATE_DEFAULT,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 0,
        **override,
    }
    if version.privileged_creators:
        _guard_tombstone(content, override)
    return content


def _guard_tombstone(content: dict[str, Any], override: Mapping[str, Any]) -> None:
    """Put upgrades above all other state, unless the client has said who may."""
    events, state_default = content["events"], content["state_default"]
    overridden = override.get("events")
    if isinstance(overridden, Mapping) and "m.room.tombstone" in overridden:
        return
    if isinstance(events, dict) and type(state_default) is int:
        level = max(_TOMBSTONE_LEVEL, state_default + 1)
        content["events"] = {**events, "m.room.tombstone": level}


def topic_content(topic: str) -> dict[str, Any]:
    """Return the content of a topic in plain text."""
    return {"topic": topic, "m.topic": {"m.text": [{"body": topic}]}}


class InitialEvents:
    """Drafts the events of one new room, in the order that the specification asks for."""

    def __init__(
        self,
        request: CreationRequest,
        creator: UserID,
        profiles: Mapping[UserID, Mapping[str, Any]],
    ) -> None:
        self._request = request
        self._creator = creator
        self._profiles = profiles
        is_trusting = request.preset == "trusted_private_chat"
        self._trusted = request.invites if is_trusting else ()

    def create(self) -> Draft:
        """Return the create event."""
        request = self._request
        content = create_content(
            request.version, self._creator, request.creation_content, self._trusted
        )
        return self._state("m.room.create", content)

    def following(self) -> list[Draft]:
        """Return all events after the create event."""
        request = self._request
        levels = power_levels_content(
            request.version, self._creator, request.power_levels, self._trusted
        )
        drafts = [
            self._member(self._creator, {"membership": "join"}),
            self._state("m.room.power_levels", levels),
        ]
        if request.alias is not None:
            drafts.append(self._state("m.room.canonical_alias", {"alias": request.alias}))
        given = {one.type for one in request.initial_state if not one.state_key}
        drafts += [
            self._state(event_type, content)
            for event_type, content in _PRESET_STATE[request.preset].items()
            if event_type not in given
        ]
        drafts += [
            self._state(one.type, one.content, one.state_key)
            for one in request.initial_state
            if (one.type, one.state_key) not in self._overwritten()
        ]
        if request.name is not None:
            drafts.append(self._state("m.room.name", {"name": request.name}))
        if request.topic is not None:
            drafts.append(self._state("m.room.topic", topic_content(request.topic)))
        return drafts + self._invites()

    def _overwritten(self) -> set[StateKey]:
        """Return what the name and topic of the request take the place of."""
        request = self._request
        given = {"m.room.name": request.name, "m.room.topic": request.topic}
        return {(event_type, "") for event_type, value in given.items() if value is not None}

    def _invites(self) -> list[Draft]:
        content: dict[str, Any] = {"membership": "invite"}
        if self._request.is_direct:
            content["is_direct"] = True
        return [self._member(one, content) for one in self._request.invites]

    def _member(self, user_id: UserID, content: Mapping[str, Any]) -> Draft:
        whole = {**self._profiles.get(user_id, {}), **content}
        return self._state("m.room.member", whole, user_id)

    def _state(self, event_type: str, content: Mapping[str, Any], state_key: str = "") -> Draft:
        return Draft(event_type, self._creator, content, state_key=state_key)
