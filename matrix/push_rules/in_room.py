"""A user's push rules as they count the notifications of one room.

What the rules ask of the room is answered once. Where the predefined rules are what is left, an
event's class is enough to tell what most events do: nobody looks into them again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from matrix.push_rules.classes import (
    CALL,
    ENCRYPTED,
    MESSAGE,
    PLAIN,
    QUIET,
    TOMBSTONE,
    plain_class,
)
from matrix.push_rules.conditions import Circumstances, Condition, Subject
from matrix.push_rules.evaluation import NOTHING, PushRule, Verdict, first_verdict
from matrix.push_rules.properties import PushEvent

_SUPPRESSING: Final = frozenset(
    {
        ".m.rule.suppress_notices",
        ".m.rule.member_event",
        ".m.rule.reaction",
        ".m.rule.room.server_acl",
        ".m.rule.suppress_edits",
    }
)
"""Predefined rules by which events are quiet."""
_BEFORE_MENTIONS: Final = frozenset({".m.rule.suppress_notices", ".m.rule.member_event"})
"""Those by which an event is quiet though it mentions somebody."""
_MENTIONS: Final = frozenset({".m.rule.is_user_mention", ".m.rule.is_room_mention"})
_BY_CLASS: Final = _SUPPRESSING | {
    ".m.rule.master",
    ".m.rule.invite_for_me",
    ".m.rule.is_user_mention",
    ".m.rule.is_room_mention",
    ".m.rule.tombstone",
    ".m.rule.call",
    ".m.rule.encrypted_room_one_to_one",
    ".m.rule.room_one_to_one",
    ".m.rule.message",
    ".m.rule.encrypted",
}
"""Predefined rules that say the same of all events of a class without names."""


_NO_CONTENT: Final[Mapping[str, Any]] = {}
_TYPES: Final = {
    QUIET: "",
    MESSAGE: "m.room.message",
    ENCRYPTED: "m.room.encrypted",
    CALL: "m.call.invite",
    TOMBSTONE: "m.room.tombstone",
}


def _example(event_class: int, content: Mapping[str, Any] = _NO_CONTENT) -> PushEvent:
    state = {"state_key": ""} if event_class == TOMBSTONE else {}
    known = {"type": _TYPES[event_class], "sender": "", "room_id": "", "content": content}
    return PushEvent({**known, **state})


_EXAMPLES: Final = {one: _example(one) for one in (MESSAGE, ENCRYPTED, CALL, TOMBSTONE)}
_MOST_KINDS_OF_ROOMS: Final = 1000
_MOST_ROOMS: Final = 10_000
_REPEATED_WITHIN: Final = 32
"""Rules behind a rule that are looked at for one that says the same."""
_NOWHERE: Final = Circumstances("", 0, lambda _: False)


class RoomRules:
    """The rules that are left for the events of one room."""

    __slots__ = (
        "_about_members",
        "_all",
        "_by_class",
        "_by_members",
        "_by_mention",
        "is_by_class",
        "is_silent",
        "needs_member_count",
        "rules",
        "work",
    )

    def __init__(self, rules: Sequence[PushRule]) -> None:
        """Take rules without conditions on the room."""
        self._all: Final = rules
        self.rules: Final = _without_repeats(rules)
        self._about_members: Final = [
            condition
            for rule in self.rules
            for condition in rule.conditions
            if condition.subject is Subject.MEMBER_COUNT
        ]
        self._by_members: Final[dict[tuple[bool, ...], RoomRules]] = {}
        self.needs_member_count: Final = bool(self._about_members)
        """Whether `with_member_count` has to come first."""
        self.work: Final = sum(rule.work for rule in self.rules)
        """What it costs to look into an event."""
        self.is_silent: Final = not any(rule.verdict.notify for rule in self.rules)
        """Whether nothing notifies."""
        self.is_by_class: Final = self.is_silent or _is_by_class(rules)
        """Whether quiet events notify nobody, and others without names do by their class."""
        self._by_class: Final = {
            one: first_verdict(self.rules, example, _NOWHERE)
            for one, example in _EXAMPLES.items()
            if not self.needs_member_count
        }
        self._by_mention: Final[dict[tuple[int, bool, bool], Verdict]] = {}

    def with_member_count(self, count: int) -> "RoomRules":
        """Return the rules that are left while the room has so many members."""
        about = Circumstances(None, count, lambda _: False)
        event = _EXAMPLES[MESSAGE]
        answers = tuple([condition.holds(event, about) for condition in self._about_members])
        found = self._by_members.get(answers)
        if found is None:
            left = _settled(self._all, Subject.MEMBER_COUNT, event, about)
            found = self._by_members[answers] = RoomRules(left)
        return found

    def plain_verdict(self, event_class: int) -> Verdict | None:
        """Return what comes of others' events of a class; None where the event has to be seen."""
        if self.is_silent:
            return NOTHING
        if not self.is_by_class or event_class not in PLAIN:
            return None
        return NOTHING if event_class == QUIET else self._by_class[event_class]

    def mention_verdict(self, event_class: int, user_id: str | None, *, room: bool) -> Verdict:
        """Return what comes of an event that mentions the user, or the room by who may do so.

        Only where `is_by_class`; `user_id` is that of the rules, None where the event mentions
        others.
        """
        plain = plain_class(event_class)
        key = plain, user_id is not None, room
        found = self._by_mention.get(key)
        if found is None:
            users = [] if user_id is None else [user_id]
            event = _example(plain, {"m.mentions": {"user_ids": users, "room": room}})
            about = Circumstances(None, 0, lambda _: True)
            found = self._by_mention[key] = self.evaluate(event, about)
        return found

    def evaluate(self, event: PushEvent, about: Circumstances) -> Verdict:
        """Return what comes of another's event."""
        return NOTHING if self.is_silent else first_verdict(self.rules, event, about)


class RulesByRoom:
    """A user's rules as they are in each room; rooms that the rules don't tell apart share them."""

    __slots__ = ("_about_rooms", "_found", "_rooms", "_rules")

    def __init__(self, rules: Sequence[PushRule]) -> None:
        """Take all rules of a user."""
        self._rules: Final = rules
        self._about_rooms: Final = [
            condition
            for rule in rules
            for condition in rule.conditions
            if condition.subject is Subject.ROOM
        ]
        self._found: Final[dict[tuple[bool, ...], RoomRules]] = {}
        self._rooms: Final[dict[str, RoomRules]] = {}

    def of(self, room_id: str) -> RoomRules:
        """Return the rules for the events of a room."""
        if not self._about_rooms:
            return self._found.get(()) or self._asked_of(room_id)
        known = self._rooms.get(room_id)
        if known is None:
            if len(self._rooms) >= _MOST_ROOMS:
                self._rooms.clear()
            known = self._rooms[room_id] = self._asked_of(room_id)
        return known

    def questions_about(self, room_ids: Collection[str]) -> int:
        """Return how many conditions have yet to be asked before the rules of rooms are known."""
        if not self._about_rooms:
            return 0
        return len(self._about_rooms) * len(set(room_ids) - self._rooms.keys())

    def ask_about(self, room_ids: Collection[str]) -> None:
        """Find out the rules of rooms, to have them when they are needed; may run in a thread."""
        for room_id in room_ids:
            self.of(room_id)

    def _asked_of(self, room_id: str) -> RoomRules:
        event = PushEvent({"type": "", "sender": "", "room_id": room_id})
        answers = tuple([condition.holds(event, _NOWHERE) for condition in self._about_rooms])
        found = self._found.get(answers)
        if found is None:
            if len(self._found) >= _MOST_KINDS_OF_ROOMS:
                self._found.clear()
            left = _settled(self._rules, Subject.ROOM, event, _NOWHERE)
            found = self._found[answers] = RoomRules(left)
        return found


def _settled(
    rules: Sequence[PushRule], subject: Subject, event: PushEvent, about: Circumstances
) -> list[PushRule]:
    """Return the rules that may still apply once all conditions about a subject are answered."""
    left: list[PushRule] = []
    for rule in rules:
        conditions: list[Condition] = []
        for condition in rule.conditions:
            if condition.subject is not subject:
                conditions.append(condition)
            elif not condition.holds(event, about):
                break
        else:
            is_same = len(conditions) == len(rule.conditions)
            left.append(rule if is_same else rule._replace(conditions=tuple(conditions)))
            if not conditions:
                break  # it applies always: nothing behind it is asked any more
    return left


def _without_repeats(rules: Sequence[PushRule]) -> list[PushRule]:
    """Leave out rules that change no count.

    So it is with those for rooms of two, whose other half says the same of all rooms: without
    them nobody has to know how many members a room has.
    """
    return [
        rule
        for index, rule in enumerate(rules)
        if not _is_repeated(rule, rules[index + 1 : index + 1 + _REPEATED_WITHIN])
    ]


def _is_repeated(rule: PushRule, behind: Sequence[PushRule]) -> bool:
    conditions = {condition.source for condition in rule.conditions}
    for other in behind:
        if _count(other) != _count(rule):
            return False
        if all(condition.source in conditions for condition in other.conditions):
            return True
    return False


def _count(rule: PushRule) -> tuple[bool, bool]:
    return rule.verdict.notify, rule.verdict.highlight


def _is_by_class(rules: Sequence[PushRule]) -> bool:
    missing = set(_SUPPRESSING)
    for rule in rules:
        if not rule.conditions:
            if rule.verdict.notify:
                return False
            break
        if not rule.is_predefined or rule.rule_id not in _BY_CLASS:
            return False
        if rule.rule_id in _SUPPRESSING and rule.verdict.notify:
            return False
        if rule.rule_id in _MENTIONS and not (missing >= _SUPPRESSING - _BEFORE_MENTIONS):
            return False
        missing.discard(rule.rule_id)
    return not missing
