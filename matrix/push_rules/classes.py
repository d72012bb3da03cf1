"""What an event is to the predefined push rules: found once, when it comes, and kept as a number.

For all events of a class without names the predefined rules say the same to every reader.
"""

from collections.abc import Mapping
from typing import Any, Final

QUIET: Final = 0
"""The predefined rules notify nobody."""
MESSAGE: Final = 1
ENCRYPTED: Final = 2
CALL: Final = 3
TOMBSTONE: Final = 4
NAMES_USERS: Final = 8
"""Added to one of the others: the event mentions users."""
NAMES_ROOM: Final = 16
"""Added to one of the others: the event mentions the room; its sender may be allowed to."""
REDACTED: Final = 128
"""Added to any of the others in the negative class of an event that was redacted."""
PLAIN: Final = range(NAMES_USERS)
"""Classes without names."""
MOST_NAMED: Final = 100
"""An event that mentions more users mentions nobody: each of them is written down."""
_LONGEST_USER_ID: Final = 255

_TYPES: Final = {
    "m.room.message": MESSAGE,
    "m.room.encrypted": ENCRYPTED,
    "m.call.invite": CALL,
}


def redacted_class(event_class: int) -> int:
    """Return the class of an event once it is redacted: it notifies nobody any more."""
    return -(abs(event_class) | REDACTED)


def is_quiet(event_class: int) -> bool:
    """Whether the predefined rules never notified anybody of an event, redacted since or not."""
    return not abs(event_class) & ~REDACTED


def class_of(event_type: str, state_key: str | None, content: Mapping[str, Any]) -> int:
    """Return the class of an event."""
    kind = event_type.lower()
    message_type = content.get("msgtype")
    if kind == "m.room.member" or (
        type(message_type) is str and message_type.lower() == "m.notice"
    ):
        return QUIET
    return _plain_class(kind, state_key, content) | _names_in(content.get("m.mentions"))


def _names_in(mentions: object) -> int:
    if type(mentions) is not dict:
        return 0
    users = mentions.get("user_ids")
    names = NAMES_USERS if type(users) is list and 0 < len(users) <= MOST_NAMED else 0
    return names | NAMES_ROOM if mentions.get("room") is True else names


def plain_class(event_class: int) -> int:
    """Return the class that an event has for those whom it does not mention."""
    return event_class & (NAMES_USERS - 1)


def users_named_in(content: Mapping[str, Any]) -> set[str]:
    """Return the users whom an event of a class with `NAMES_USERS` mentions."""
    return {
        user_id
        for user_id in content["m.mentions"]["user_ids"]
        if type(user_id) is str
        and user_id.startswith("@")
        and len(user_id.encode()) <= _LONGEST_USER_ID
        and "\0" not in user_id
    }


def _plain_class(kind: str, state_key: str | None, content: Mapping[str, Any]) -> int:
    if state_key == "" and kind == "m.room.tombstone":
        return TOMBSTONE
    found = _TYPES.get(kind, QUIET)
    if found != QUIET:
        relation = content.get("m.relates_to")
        if type(relation) is dict and relation.get("rel_type") == "m.replace":
            return QUIET
    return found
