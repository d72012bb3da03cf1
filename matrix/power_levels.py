"""Power levels of a room: who may do what, parsed once per event and asked many times.

A level is an integer, or `INFINITE` for the creators of a room of version 12 on. Both compare
as numbers do, therefore levels are typed `float`.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from matrix.events import Event
from matrix.identifiers import UserID
from matrix.room_versions import RoomVersion

INFINITE: Final = math.inf
"""The level of a room's creators from room version 12 on."""
CREATOR_LEVEL: Final = 100
"""The creator's level before room version 12, as long as there is no power levels event."""
DEFAULT_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "users_default": 0,
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "redact": 50,
        "kick": 50,
        "invite": 0,
    }
)
"""What holds where the power levels event is silent, or is not there at all."""
DEFAULT_NOTIFICATION_LEVEL: Final = 50
PARSED_EVENTS: Final = 1024
"""How many power levels events are kept parsed, the least recently used one leaving first."""

# ASCII only: `int` alone would also take underscores and the digits of other scripts.
_INTEGER_STRING: Final = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NO_LEVELS: Final[Mapping[str, int]] = MappingProxyType({})


def read_level(value: Any, version: RoomVersion) -> int | None:
    """Return the level that a JSON value stands for in this room version, or `None` if for none.

    Integers do in every version, strings of an integer up to 9, floats up to 5 (truncated).
    """
    if type(value) is int:
        return value
    if version.integer_power_levels:
        return None
    if type(value) is str:
        return _read_string(value)
    if type(value) is float and not version.strict_canonical_json and math.isfinite(value):
        return int(value)
    return None


def _read_string(text: str) -> int | None:
    if _INTEGER_STRING.fullmatch(text) is None:
        return None
    try:
        return int(text)
    except ValueError:  # more digits than Python converts, and than any level needs
        return None


def read_levels(value: Any, version: RoomVersion) -> Mapping[str, int]:
    """Return the entries of a JSON object that stand for levels; without any if it is no object.

    The object itself is returned when all its values are integers, so nothing is copied.
    """
    if not isinstance(value, Mapping):
        return _NO_LEVELS
    if all(type(level) is int for level in value.values()):
        return value
    levels = ((name, read_level(level, version)) for name, level in value.items())
    return {name: level for name, level in levels if level is not None}


def creators_of(create_event: Event) -> frozenset[UserID]:
    """Return the creators of a room.

    Up to version 10 that is `creator` of the create event, in 11 its sender, and from 12 on its
    sender and the `additional_creators`. Entries that are no strings are left out.
    """
    return creators_by(create_event.sender, create_event.content, create_event.room_version)


def creators_by(
    sender: UserID, content: Mapping[str, Any], version: RoomVersion
) -> frozenset[UserID]:
    """Return the creators of a room by the sender and content of its create event."""
    if not version.creator_is_sender:
        creator = content.get("creator")
        return frozenset((UserID(creator),)) if isinstance(creator, str) else frozenset()
    if not version.privileged_creators:
        return frozenset((sender,))
    additional = content.get("additional_creators")
    if not isinstance(additional, list):
        return frozenset((sender,))
    return frozenset((sender, *(UserID(user) for user in additional if isinstance(user, str))))


class PowerLevels:
    """The power levels that hold in a room, defaults filled in."""

    __slots__ = (
        "ban",
        "creators",
        "events",
        "events_default",
        "invite",
        "kick",
        "notifications",
        "redact",
        "state_default",
        "users",
        "users_default",
    )

    def __init__(
        self,
        content: Mapping[str, Any],
        version: RoomVersion,
        creators: frozenset[UserID],
    ) -> None:
        self.creators: Final = creators if version.privileged_creators else frozenset[UserID]()
        """Those who stand above every level: empty before room version 12."""
        self.users: Final = read_levels(content.get("users"), version)
        self.events: Final = read_levels(content.get("events"), version)
        self.notifications: Final = read_levels(content.get("notifications"), version)
        self.users_default: Final = _named_level(content, "users_default", version)
        self.events_default: Final = _named_level(content, "events_default", version)
        self.state_default: Final = _named_level(content, "state_default", version)
        self.ban: Final = _named_level(content, "ban", version)
        self.kick: Final = _named_level(content, "kick", version)
        self.redact: Final = _named_level(content, "redact", version)
        self.invite: Final = _named_level(content, "invite", version)

    @classmethod
    def of(
        cls,
        content: Mapping[str, Any] | None,
        version: RoomVersion,
        creators: frozenset[UserID],
    ) -> "PowerLevels":
        """Return the levels that the content of a power levels event gives, or lacks (`None`).

        Never raises: a value that stands for no level counts as absent. Whether an event may
        hold such values at all is the business of the authorisation rules.
        """
        if content is None:
            content = {"users": dict.fromkeys(creators, CREATOR_LEVEL)}
        return cls(content, version, creators)

    def user(self, user_id: str) -> float:
        """Return the level of a user."""
        if user_id in self.creators:
            return INFINITE
        level = self.users.get(user_id)
        return self.users_default if level is None else level

    def event(self, event_type: str, is_state: bool) -> int:  # noqa: FBT001 - half of the question
        """Return the level that sending an event of this type requires."""
        level = self.events.get(event_type)
        if level is not None:
            return level
        return self.state_default if is_state else self.events_default

    def notification(self, name: str) -> int:
        """Return the level that a notification of this kind requires, such as `room`."""
        return self.notifications.get(name, DEFAULT_NOTIFICATION_LEVEL)


def _named_level(content: Mapping[str, Any], name: str, version: RoomVersion) -> int:
    level = read_level(content.get(name), version)
    return DEFAULT_LEVELS[name] if level is None else level


@lru_cache(maxsize=PARSED_EVENTS)
def power_levels_of(power_levels_event: Event | None, create_event: Event) -> PowerLevels:
    """Return the levels that hold with this power levels event in the room of this create event.

    Remembered for the `PARSED_EVENTS` pairs used last. Two events count as the same one only
    if they are the same object, so a caller that keeps its state events in memory parses once.
    """
    content = None if power_levels_event is None else power_levels_event.content
    return PowerLevels.of(content, create_event.room_version, creators_of(create_event))
