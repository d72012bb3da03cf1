"""The conditions of push rules as questions about an event and its recipient."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from matrix.kept_bytes import kept_bytes
from matrix.push_rules.patterns import LONGEST, LONGEST_TEXT, has_words, match_whole, match_words
from matrix.push_rules.properties import Path, PushEvent, split_path

BODY: Final = ("content", "body")
_COUNT: Final = re.compile(r"(==|<=|>=|<|>)?([0-9]{1,18})", re.ASCII)


class Circumstances(msgspec.Struct, gc=False):
    """What conditions ask that the event does not tell."""

    display_name: str | None
    """The recipient's, in the room."""
    member_count: int
    """Users joined to the room."""
    sender_may_notify: Callable[[str], bool]
    """Whether the sender's power level allows notifications of this kind, such as `room`."""


Holds = Callable[[PushEvent, Circumstances], bool]


class Subject(Enum):
    """What a condition is about: those about the room hold for all events of it, or for none."""

    EVENT = "event"
    ROOM = "room"
    MEMBER_COUNT = "member count"


class Condition(NamedTuple):
    """One condition; two that say the same compare equal by their source."""

    source: bytes
    subject: Subject
    holds: Holds


def compile_condition(condition: Any) -> Condition:
    """Return a condition; one that is not known, or malformed, never holds."""
    if type(condition) is not dict:
        return NEVER
    make = _KINDS.get(condition.get("kind"))
    holds = None if make is None else make(condition)
    if holds is None:
        return NEVER
    subject = Subject.EVENT
    if condition["kind"] == "room_member_count":
        subject = Subject.MEMBER_COUNT
    elif condition.get("key") == "room_id":
        subject = Subject.ROOM
    source = kept_bytes(orjson.dumps(condition, option=orjson.OPT_SORT_KEYS))
    return Condition(source, subject, holds)


def _event_match(condition: Mapping[str, Any]) -> Holds | None:
    key, pattern = condition.get("key"), condition.get("pattern")
    if type(key) is not str or type(pattern) is not str:
        return None
    path = split_path(key)
    if path == BODY:
        return words_in_body(pattern)
    matches = match_whole(pattern)
    if path == ("type",):
        return lambda event, _: matches(event.lower_type)

    def holds(event: PushEvent, _: Circumstances) -> bool:
        value = event.find(path)
        return type(value) is str and len(value) <= LONGEST_TEXT and matches(value.lower())

    return holds


def words_in_body(pattern: str) -> Holds:
    """Return the condition that a pattern is found in `content.body`, as far as it is searched."""
    matches = match_words(pattern)

    def holds(event: PushEvent, _: Circumstances) -> bool:
        body = event.lower_body
        return body is not None and matches(body)

    return holds


def _property_of(condition: Mapping[str, Any]) -> tuple[Path, Any] | None:
    """Return the path and the value that a condition is about; None where it is about none."""
    key, value = condition.get("key"), condition.get("value")
    if type(key) is not str or "value" not in condition or not _is_plain(value):
        return None
    return split_path(key), value


def _property_is(condition: Mapping[str, Any]) -> Holds | None:
    property_ = _property_of(condition)
    if property_ is None:
        return None
    path, value = property_
    kind = type(value)

    def holds(event: PushEvent, _: Circumstances) -> bool:
        found = event.find(path)
        return type(found) is kind and bool(found == value)

    return holds


def _property_contains(condition: Mapping[str, Any]) -> Holds | None:
    property_ = _property_of(condition)
    if property_ is None:
        return None
    path, value = property_
    kind = type(value)

    def holds(event: PushEvent, _: Circumstances) -> bool:
        found = event.find(path)
        # True and 1 are equal to Python, but not to JSON.
        return type(found) is list and any(type(one) is kind and one == value for one in found)

    return holds


def _is_plain(value: object) -> bool:
    return value is None or type(value) in {str, bool, int}


def _contains_display_name(condition: Mapping[str, Any]) -> Holds:
    del condition  # it has no parameters

    def holds(event: PushEvent, about: Circumstances) -> bool:
        body, name = event.lower_body, about.display_name
        if body is None or not name or len(name) > LONGEST:
            return False
        return has_words(body, name.lower())

    return holds


def _room_member_count(condition: Mapping[str, Any]) -> Holds | None:
    text = condition.get("is")
    parsed = _COUNT.fullmatch(text) if type(text) is str else None
    if parsed is None:
        return None
    compare = _COMPARISONS[parsed[1] or "=="]
    number = int(parsed[2])
    return lambda _, about: compare(about.member_count, number)


def _sender_notification_permission(condition: Mapping[str, Any]) -> Holds | None:
    key = condition.get("key")
    if type(key) is not str:
        return None
    return lambda _, about: about.sender_may_notify(key)


def _never(event: PushEvent, about: Circumstances) -> bool:
    del event, about
    return False


def _has_no_mentions(event: PushEvent, about: Circumstances) -> bool:
    del about
    return not event.has_mentions


NEVER: Final = Condition(b"never", Subject.EVENT, _never)
WITHOUT_MENTIONS: Final = Condition(b"without mentions", Subject.EVENT, _has_no_mentions)
"""The event says nothing of mentions, so that its text is searched for them."""

_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": int.__eq__,
    "<": int.__lt__,
    ">": int.__gt__,
    "<=": int.__le__,
    ">=": int.__ge__,
}
_KINDS: Final[Mapping[Any, Callable[[Mapping[str, Any]], Holds | None]]] = {
    "event_match": _event_match,
    "event_property_is": _property_is,
    "event_property_contains": _property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
}
