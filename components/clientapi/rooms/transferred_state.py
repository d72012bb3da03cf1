"""What an upgraded room takes over from the one that it replaces, and what stays behind."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from components.clientapi.rooms.initial_events import create_content, power_levels_content
from matrix.canonical import MAX_INTEGER, check_strict
from matrix.errors import BadJson
from matrix.events import Event
from matrix.identifiers import RoomAlias, UserID
from matrix.power_levels import DEFAULT_LEVELS, PowerLevels, creators_of
from matrix.room_versions import RoomVersion
from matrix.state_keys import CREATE, JOIN_RULES, POWER_LEVELS, StateKey
from roomwriting.current_state import CANONICAL_ALIAS, State, levels_of

_COPIED: Final = frozenset(
    {
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.server_acl",
        "m.room.encryption",
        "m.room.name",
        "m.room.avatar",
        "m.room.topic",
    }
)
"""Types of state, with an empty state key, that are copied as they are."""
_SPACE: Final = "m.space"
_SPACE_CHILD: Final = "m.space.child"
READ: Final = (CREATE[0], POWER_LEVELS[0], CANONICAL_ALIAS[0], _SPACE_CHILD, *_COPIED)
"""Types of state that decide what the new room is like."""
_CREATE_FIELDS: Final = ("type", "m.federate")
_QUIET_LEVEL: Final = 50
_TOMBSTONE: Final = "m.room.tombstone"


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


def transferred_state(
    version: RoomVersion, old: State, aliases: Sequence[RoomAlias]
) -> dict[StateKey, Mapping[str, Any]]:
    """Return the contents that go over, power levels aside.

    `aliases` are those that move: others stay the old room's. Content that events of the new
    version cannot hold stays behind.
    """
    state: dict[StateKey, Mapping[str, Any]] = {
        key: event.content for key, event in old.items() if _is_copied(key, event, old[CREATE])
    }
    if JOIN_RULES in state:
        state[JOIN_RULES] = _join_rules(version, state[JOIN_RULES])
    named = _with_only(old[CANONICAL_ALIAS].content, aliases) if CANONICAL_ALIAS in old else {}
    if named:
        state[CANONICAL_ALIAS] = named
    return {key: content for key, content in state.items() if _fits(version, content)}


def _is_copied(key: StateKey, event: Event, create: Event) -> bool:
    event_type, state_key = key
    if event_type == _SPACE_CHILD:
        # A child without servers to ask was removed from the space.
        return create.content.get("type") == _SPACE and bool(event.content.get("via"))
    return event_type in _COPIED and not state_key


def _join_rules(version: RoomVersion, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return join rules that the version knows, which let nobody in who was not let in before."""
    rule = content.get("join_rule")
    if rule == "knock_restricted" and not version.knock_restricted:
        rule = "restricted" if version.restricted_join else "knock"
    if (rule == "restricted" and not version.restricted_join) or (
        rule == "knock" and not version.knock
    ):
        rule = "invite"
    return content if rule == content.get("join_rule") else {**content, "join_rule": rule}


def _with_only(content: Mapping[str, Any], aliases: Sequence[RoomAlias]) -> dict[str, Any]:
    left: dict[str, Any] = {}
    if content.get("alias") in aliases:
        left["alias"] = content["alias"]
    alternatives = content.get("alt_aliases")
    if isinstance(alternatives, list):
        moved = [one for one in alternatives if one in aliases]
        if moved:
            left["alt_aliases"] = moved
    return left


def _fits(version: RoomVersion, content: Mapping[str, Any]) -> bool:
    """Whether events of the version can hold what up to version 5 events could."""
    try:
        if version.strict_canonical_json:
            check_strict(content)
    except BadJson:
        return False
    return True


def transferred_power_levels(
    version: RoomVersion, creator: UserID, creators: Collection[UserID], old: State
) -> dict[str, Any]:
    """Return the old room's power levels as the new room's version wants them.

    `creator` and `creators` are those of the new room. `old` holds the create event; without
    power levels the new room gets those of a new room.
    """
    old_creators = creators_of(old[CREATE])
    event = old.get(POWER_LEVELS)
    if event is None:
        return power_levels_content(version, creator, {}, sorted(old_creators))
    levels = levels_of(old)
    content = {**event.content, **_numbers(levels, event.content)}
    users, events = content["users"], content["events"]
    if version.privileged_creators:
        for one in creators:
            users.pop(one, None)
        # Explicit, and above other state: else who may set that could make themselves a creator.
        events[_TOMBSTONE] = max(
            levels.event(_TOMBSTONE, is_state=True), min(levels.state_default + 1, MAX_INTEGER)
        )
    if event.room_version.privileged_creators and (
        creator in old_creators or not version.privileged_creators
    ):
        # Who upgrades without being a creator leaves those of the old room without a level,
        # as other servers do: they were not asked for.
        _place_above(users, old_creators - _above_all(version, creators))
    return content


def _above_all(version: RoomVersion, creators: Collection[UserID]) -> frozenset[UserID]:
    """Return the creators of the new room who stand above all levels and have none."""
    return frozenset(creators) if version.privileged_creators else frozenset()


def _place_above(users: dict[str, int], creators: Collection[UserID]) -> None:
    """Give the greatest level to those who stood above all levels, and to nobody else."""
    if not creators:
        return
    for one, level in users.items():
        users[one] = min(level, MAX_INTEGER - 1)
    users.update(dict.fromkeys(creators, MAX_INTEGER))


def _numbers(levels: PowerLevels, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the levels as integers, which old rooms may hold as strings."""
    numbers: dict[str, Any] = {
        name: _bounded(getattr(levels, name)) for name in DEFAULT_LEVELS if name in content
    }
    for name in ("users", "events"):
        numbers[name] = _all_bounded(getattr(levels, name))
    if "notifications" in content:
        numbers["notifications"] = _all_bounded(levels.notifications)
    return numbers


def _all_bounded(levels: Mapping[str, int]) -> dict[str, int]:
    return {name: _bounded(level) for name, level in levels.items()}


def _bounded(level: int) -> int:
    return max(-MAX_INTEGER, min(level, MAX_INTEGER))


def quiet_power_levels(state: State) -> dict[str, Any] | None:
    """Return power levels under which ordinary members neither talk nor invite.

    `None` where it is so already. `state` holds the create event and the power levels.
    """
    event = state.get(POWER_LEVELS)
    levels = levels_of(state)
    quiet = max(_QUIET_LEVEL, levels.users_default + 1)
    if levels.events_default >= quiet and levels.invite >= quiet:
        return None
    content = {"users": _listed(levels)} if event is None else event.content
    return {
        **content,
        "events_default": max(levels.events_default, quiet),
        "invite": max(levels.invite, quiet),
    }


def _listed(levels: PowerLevels) -> dict[str, int]:
    """Return the users who have a level; creators who stand above all of them are not listed."""
    return {one: level for one, level in levels.users.items() if one not in levels.creators}
