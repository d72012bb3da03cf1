"""The rules about changing the power levels of a room."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from matrix.auth_rules.auth_state import AuthState
from matrix.auth_rules.grammar import quoted
from matrix.errors import AuthRejected, ContentRejected
from matrix.events import Event
from matrix.power_levels import DEFAULT_LEVELS, read_level, read_levels
from matrix.room_versions import RoomVersion
from matrix.state_keys import POWER_LEVELS

_RULE: Final = "m.room.power_levels"


def check_power_levels(event: Event, state: AuthState) -> None:
    """Raise `AuthRejected` unless the sender may set these power levels.

    It is `ContentRejected` where they are malformed or name a creator of the room.
    Nobody gives or takes a level above their own, nor changes the level of another who has as
    much as they. Levels are compared as numbers: `"50"` in place of `50` changes nothing.
    """
    version = event.room_version
    content = event.content
    _check_shape(content, version)
    users = content.get("users", {})
    for creator in state.power_levels.creators:
        if creator in users:
            raise ContentRejected(f"{_RULE}: {creator} is a creator and may not be in users.")
    current_event = state.lookup(POWER_LEVELS)
    if current_event is None:
        return
    current = current_event.content
    level = state.power_levels.user(event.sender)
    _check_changes("", _scalars(current, version), _scalars(content, version), level)
    guarded = ("events", "notifications") if version.guard_notification_levels else ("events",)
    for name in guarded:
        old, new = (read_levels(each.get(name), version) for each in (current, content))
        _check_changes(f"{name}: ", old, new, level)
    _check_users(event.sender, level, state.power_levels.users, read_levels(users, version))


def _check_shape(content: Mapping[str, Any], version: RoomVersion) -> None:
    """Refuse values that stand for no level.

    Before room version 10 the rules themselves say so of `users` only, and leave open what
    another value means that is neither integer nor string; there `null` counts as absent.
    """
    for name in DEFAULT_LEVELS:
        value = content.get(name)
        if value is None and not (version.integer_power_levels and name in content):
            continue
        if read_level(value, version) is None:
            raise ContentRejected(f"{_RULE}: {name} is not an integer.")
    names = ["users", "events"]
    if version.guard_notification_levels:
        names.append("notifications")
    for name in names:
        if name in content:
            _check_map(name, content[name], version)
    for user_id in content.get("users", ()):
        # Not the whole grammar: rooms hold mistyped servers, which other servers let pass.
        if not user_id.startswith("@") or ":" not in user_id:
            raise ContentRejected(f"{_RULE}: users holds {quoted(user_id)}, which is no user ID.")


def _check_map(name: str, levels: Any, version: RoomVersion) -> None:
    if not isinstance(levels, Mapping):
        raise ContentRejected(f"{_RULE}: {name} is not an object.")
    if len(read_levels(levels, version)) != len(levels):
        raise ContentRejected(f"{_RULE}: {name} holds a value that is not an integer.")


def _scalars(content: Mapping[str, Any], version: RoomVersion) -> Mapping[str, int]:
    return read_levels({name: content.get(name) for name in DEFAULT_LEVELS}, version)


def _changes(
    old: Mapping[str, int], new: Mapping[str, int]
) -> Iterable[tuple[str, int | None, int | None]]:
    """Yield name, old and new level of each entry that is added, changed or removed."""
    if old == new:
        return
    for name, before in old.items():
        after = new.get(name)
        if after != before:
            yield name, before, after
    for name, after in new.items():
        if name not in old:
            yield name, None, after


def _check_changes(
    where: str, old: Mapping[str, int], new: Mapping[str, int], level: float
) -> None:
    for name, before, after in _changes(old, new):
        if before is not None and before > level:
            raise AuthRejected(
                f"{_RULE}: {where}{quoted(name)} is {before}, above your level {level}."
            )
        if after is not None and after > level:
            raise AuthRejected(
                f"{_RULE}: {where}{quoted(name)} to {after} is above your level {level}."
            )


def _check_users(sender: str, level: float, old: Mapping[str, int], new: Mapping[str, int]) -> None:
    for user_id, before, after in _changes(old, new):
        if before is not None and before >= level and user_id != sender:
            raise AuthRejected(
                f"{_RULE}: {quoted(user_id)} has level {before}, not below your level {level}."
            )
        if after is not None and after > level:
            raise AuthRejected(
                f"{_RULE}: users: {quoted(user_id)} to {after} is above your level {level}."
            )
