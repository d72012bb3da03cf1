"""What an upgraded room takes over from the one that it replaces, and what stays behind."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from components.clientapi.current_state import State, levels_of
from components.clientapi.initial_events import create_content, power_levels_content
from matrix.events import Event
from matrix.identifiers import UserID
from matrix.power_levels import CREATOR_LEVEL, DEFAULT_LEVELS, PowerLevels
from matrix.room_versions import RoomVersion
from matrix.state_keys import POWER_LEVELS

TRANSFERRED: Final = (
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.server_acl",
    "m.room.encryption",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.canonical_alias",
)
"""Types of state, with an empty state key, that are copied as they are."""
_CREATE_FIELDS: Final = ("type", "m.federate")
_QUIET_LEVEL: Final = 50
_TOMBSTONE: Final = "m.room.tombstone"
_CREATORS_ONLY: Final = 150


def replacement_create_content(
    version: RoomVersion,
    creator: UserID,
    old_create: Event,
    *,
    predecessor: Mapping[str, Any],
    additional_creators: Sequence[UserID],
) -> dict[str, Any]:
    """Return the content of the new room's create event.

    Additional creators of the old room are not taken over: the request names those of the new.
    """
    given = {
        name: old_create.content[name] for name in _CREATE_FIELDS if name in old_create.content
    }
    given["predecessor"] = predecessor
    return create_content(version, creator, given, additional_creators)


def transferred_power_levels(
    version: RoomVersion, creator: UserID, creators: Collection[UserID], old: State
) -> dict[str, Any]:
    """Return the old room's power levels as the new room's version wants them.

    `old` holds the create event; without power levels the new room gets those of a new room.
    """
    event = old.get(POWER_LEVELS)
    if event is None:
        return power_levels_content(version, creator, {})
    levels = levels_of(old)
    content = {**event.content, **_numbers(levels, event.content)}
    if version.privileged_creators:
        for one in creators:
            content["users"].pop(one, None)
        if not event.room_version.privileged_creators:
            above_state = max(_CREATORS_ONLY, levels.state_default + 1)
            content["events"][_TOMBSTONE] = above_state
    elif event.room_version.privileged_creators:
        # Who stood above all levels needs one now, and nobody reaches more than theirs.
        content["users"][creator] = CREATOR_LEVEL
        if content["events"].get(_TOMBSTONE, 0) > CREATOR_LEVEL:
            content["events"][_TOMBSTONE] = CREATOR_LEVEL
    return content


def _numbers(levels: PowerLevels, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the levels as integers, which old rooms may hold as strings."""
    numbers: dict[str, Any] = {
        name: getattr(levels, name) for name in DEFAULT_LEVELS if name in content
    }
    numbers["users"] = dict(levels.users)
    numbers["events"] = dict(levels.events)
    if "notifications" in content:
        numbers["notifications"] = dict(levels.notifications)
    return numbers


def quiet_power_levels(state: State) -> dict[str, Any] | None:
    """Return power levels under which ordinary members neither talk nor invite.

    `None` where it is so already. `state` holds the create event and the power levels.
    """
    event = state.get(POWER_LEVELS)
    levels = levels_of(state)
    quiet = max(_QUIET_LEVEL, levels.users_default + 1)
    if event is None or (levels.events_default >= quiet and levels.invite >= quiet):
        return None
    return {
        **event.content,
        "events_default": max(levels.events_default, quiet),
        "invite": max(levels.invite, quiet),
    }
