"""Which of a user's push rules applies to an event, and what it does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from matrix.canonical import decode_json, encode_canonical
from matrix.kept_bytes import kept_bytes
from matrix.push_rules.conditions import (
    NEVER,
    WITHOUT_MENTIONS,
    Circumstances,
    Condition,
    Subject,
    compile_condition,
)
from matrix.push_rules.properties import PushEvent

KINDS: Final = ("override", "content", "room", "sender", "underride")
"""The kinds of rules in the order in which they are asked."""

MOST_WORK: Final = 16_384
"""What the rules that a user has added may cost each event, as `PushRule.work` counts it."""
_WORK_OF_A_RULE: Final = 32
_LONGEST_SHARED: Final = 1000

LEGACY_MENTIONS: Final = frozenset(
    {
        ".m.rule.contains_display_name",
        ".m.rule.contains_user_name",
        ".m.rule.roomnotif",
    }
)
"""Rules that look for names in the text: off where the event tells its mentions itself."""


class Verdict(NamedTuple):
    """What comes of an event for one user."""

    notify: bool
    highlight: bool
    tweaks: Mapping[str, Any]
    """As a push gateway gets them."""
    actions: Sequence[Any]
    """Without those of old that mean nothing."""
    rule_id: str | None = None
    """The rule that applied, if one did."""


NOTHING: Final = Verdict(notify=False, highlight=False, tweaks={}, actions=())


class PushRule(NamedTuple):
    """One rule: it applies where all of its conditions hold."""

    rule_id: str
    conditions: tuple[Condition, ...]
    verdict: Verdict
    is_predefined: bool
    """Whether the server brought it: its conditions are those of the specification."""

    @property
    def work(self) -> int:
        """What it costs to ask the rule about an event: grows with the text of its conditions.

        What is asked of the room costs nothing, because it is asked once.
        """
        texts = [one.source for one in self.conditions if one.subject is Subject.EVENT]
        return _WORK_OF_A_RULE + sum(map(len, texts))


class PushRules:
    """The rules of a user that are switched on, in their order, ready to be asked."""

    __slots__ = ("rules", "user_id")

    def __init__(self, user_id: str, content: Mapping[str, Any]) -> None:
        """Take the content of `m.push_rules`; what is malformed in it never matches.

        Rules of the user's own do nothing once those before them cost `MOST_WORK` together.
        """
        self.user_id: Final = user_id
        self.rules: Final = list(_bounded(_compiled(content)))

    def evaluate(self, event: PushEvent, about: Circumstances) -> Verdict:
        """Return what comes of an event: nothing of the user's own."""
        if event.sender == self.user_id:
            return NOTHING
        return first_verdict(self.rules, event, about)


def first_verdict(rules: Sequence[PushRule], event: PushEvent, about: Circumstances) -> Verdict:
    """Return the verdict of the first rule that applies."""
    for rule in rules:
        for condition in rule.conditions:
            if not condition.holds(event, about):
                break
        else:
            return rule.verdict
    return NOTHING


def own_work(content: Mapping[str, Any]) -> int:
    """Return what the rules cost that a user has added and not switched off."""
    return sum(rule.work for rule in _compiled(content) if not rule.is_predefined)


def _bounded(rules: Iterable[PushRule]) -> Iterator[PushRule]:
    work = 0
    for rule in rules:
        work += 0 if rule.is_predefined else rule.work
        if rule.is_predefined or work <= MOST_WORK:
            yield rule


def _compiled(content: Mapping[str, Any]) -> list[PushRule]:
    ruleset = content.get("global")
    if type(ruleset) is not dict:
        return []
    kinds = [(kind, ruleset.get(kind)) for kind in KINDS]
    return [
        _rule(kind, rule)
        for kind, rules in kinds
        if type(rules) is list
        for rule in rules
        if type(rule) is dict and rule.get("enabled", True) is not False
    ]


def _rule(kind: str, rule: Mapping[str, Any]) -> PushRule:
    source = encode_canonical(rule)
    if len(source) > _LONGEST_SHARED:
        return _compile_rule(kind, rule)
    return _shared_rule(kind, kept_bytes(source))


# Most rules are the predefined ones, alike for all users.
@lru_cache(maxsize=4096)
def _shared_rule(kind: str, source: bytes) -> PushRule:
    return _compile_rule(kind, decode_json(source))


def _compile_rule(kind: str, rule: Mapping[str, Any]) -> PushRule:
    rule_id = rule.get("rule_id")
    name = rule_id if type(rule_id) is str else ""
    is_predefined = rule.get("default") is True and name.startswith(".m.rule.")
    conditions = _conditions(kind, name, rule)
    if is_predefined and name in LEGACY_MENTIONS:
        conditions = (WITHOUT_MENTIONS, *conditions)
    return PushRule(name, conditions, _verdict(name, rule.get("actions")), is_predefined)


def _conditions(kind: str, rule_id: str, rule: Mapping[str, Any]) -> tuple[Condition, ...]:
    match kind:
        case "room":
            return (compile_condition(_equals("room_id", rule_id)),)
        case "sender":
            return (compile_condition(_equals("sender", rule_id)),)
        case "content":
            return (
                compile_condition(
                    {"kind": "event_match", "key": "content.body", "pattern": rule.get("pattern")}
                ),
            )
        case _:
            conditions = rule.get("conditions", [])
            if type(conditions) is not list:
                return (NEVER,)
            return tuple([compile_condition(condition) for condition in conditions])


def _equals(key: str, value: str) -> dict[str, str]:
    return {"kind": "event_property_is", "key": key, "value": value}


def _verdict(rule_id: str, actions: Any) -> Verdict:
    notify = False
    tweaks: dict[str, Any] = {}
    kept: list[Any] = []
    for action in actions if type(actions) is list else ():
        if action == "notify":
            notify = True
        elif type(action) is dict and type(action.get("set_tweak")) is str:
            name = action["set_tweak"]
            tweaks[name] = action.get("value", True if name == "highlight" else None)
        else:
            continue  # dont_notify and coalesce mean nothing, and so does what is not known
        kept.append(action)
    if not notify:
        return Verdict(notify=False, highlight=False, tweaks={}, actions=kept, rule_id=rule_id)
    highlight = tweaks.get("highlight", False) is not False
    return Verdict(notify, highlight, tweaks, kept, rule_id)
