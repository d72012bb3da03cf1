"""Changes of a user's push rules (client-server API, "Push Rules: API")."""

from typing import Any, Final, NamedTuple

from base.http import Fields
from matrix.errors import BadJson, InvalidParam, MatrixError, NotFound

KINDS: Final = ("override", "content", "room", "sender", "underride")

_WITH_CONDITIONS: Final = frozenset({"override", "underride"})
_MASTER: Final = ".m.rule.master"
_ACTIONS: Final = frozenset({"notify", "dont_notify", "coalesce"})
"""The actions that are no tweaks. The last two mean nothing any more; clients still send them."""
_RULE_ID_BYTES_MAX: Final = 255

Rule = dict[str, Any]
RuleSet = dict[str, Any]
"""The lists of rules by their kinds, each from the most important to the least."""


class Place(NamedTuple):
    """Where a rule goes among the user's own ones of its kind; `before` wins over `after`."""

    before: str | None = None
    after: str | None = None


class NeighbourUnknown(MatrixError):
    """There is no such rule of the user's own to put the rule before or after."""


def find_rules(rules: RuleSet, kind: str) -> list[Rule]:
    """Return the rules of a kind, from the most important to the least. Raises `NotFound`."""
    if kind not in KINDS:
        raise NotFound(f"There are no push rules of the kind {kind}.")
    return _rules_of(rules, kind)


def find_rule(rules: RuleSet, kind: str, rule_id: str) -> Rule:
    """Return a rule. Raises `NotFound`, for an unknown kind too."""
    for rule in find_rules(rules, kind):
        if rule["rule_id"] == rule_id:
            return rule
    raise NotFound("There is no such push rule.")


def parse_rule(kind: str, rule_id: str, body: Fields) -> Rule:
    """Return the rule that a request describes, enabled.

    Raises `InvalidParam` for a kind or ID that no rule of a user can have, `MissingParam` and
    `BadJson` for a malformed description.
    """
    if kind not in KINDS:
        raise InvalidParam(f"A push rule is of one of the kinds {', '.join(KINDS)}.")
    if rule_id.startswith(".") or "/" in rule_id or "\\" in rule_id:
        raise InvalidParam("The ID of a push rule begins with no dot and has no slashes in it.")
    if len(rule_id.encode()) > _RULE_ID_BYTES_MAX:
        raise InvalidParam("The ID of the push rule is too long.")
    rule: Rule = {"rule_id": rule_id, "default": False, "enabled": True}
    rule["actions"] = parse_actions(body)
    if kind in _WITH_CONDITIONS:
        conditions = body.optional_list_of_objects("conditions")
        for condition in conditions:
            condition.string("kind")
        rule["conditions"] = [condition.raw for condition in conditions]
    elif kind == "content":
        rule["pattern"] = body.string("pattern")
    return rule


def parse_actions(body: Fields) -> list[Any]:
    """Return the actions that a request names.

    Raises `MissingParam` and `BadJson`, and `InvalidParam` for an action that does not exist.
    """
    actions = body.raw.get("actions")
    if actions is None:
        body.string("actions")
    if type(actions) is not list:
        raise BadJson("The field actions is not a list.")
    for action in actions:
        if type(action) is str:
            if action not in _ACTIONS:
                raise InvalidParam(f"There is no action {action}.")
        elif type(action) is not dict or type(action.get("set_tweak")) is not str:
            raise BadJson("An action is a string, or an object with set_tweak.")
    return actions


def put_rule(rules: RuleSet, kind: str, rule: Rule, place: Place) -> None:
    """Add a rule as the most important of the user's own, or where it is told to go.

    One that is there already is changed: it keeps its place if none is told, and stays disabled
    if it was. Raises `NeighbourUnknown`.
    """
    known = _rules_of(rules, kind)
    index = next((at for at, one in enumerate(known) if one["rule_id"] == rule["rule_id"]), None)
    if index is not None:
        rule["enabled"] = known.pop(index)["enabled"]
    if place.before is not None:
        index = _own(known, place.before)
    elif place.after is not None:
        index = _own(known, place.after) + 1
    elif index is None:
        # The master rule switches everything off, the user's own rules included.
        index = 1 if known and known[0]["rule_id"] == _MASTER else 0
    known.insert(index, rule)
    rules[kind] = known


def remove_rule(rules: RuleSet, kind: str, rule_id: str) -> None:
    """Remove a rule of the user's own. Raises `NotFound`, also for one of the server's."""
    rule = find_rule(rules, kind, rule_id)
    if rule["default"]:
        raise NotFound("The rule is one of the server's: it can be disabled, but not deleted.")
    rules[kind] = [one for one in _rules_of(rules, kind) if one is not rule]


def copy_rules_of_room(rules: RuleSet, old_room_id: str, room_id: str) -> None:
    """Let what holds for a room hold for another one: its rule, and those with it as a condition.

    Each copy stands beside the rule that it was made of; one that is there already stays.
    """
    for kind in ("room", *_WITH_CONDITIONS):
        known = _rules_of(rules, kind)
        taken = {rule["rule_id"] for rule in known}
        copies = ((rule, _for_room(kind, rule, old_room_id, room_id)) for rule in known)
        rules[kind] = [
            one
            for rule, copied in copies
            for one in (rule, copied)
            if one is not None and (one is rule or one["rule_id"] not in taken)
        ]


def _for_room(kind: str, rule: Rule, old_room_id: str, room_id: str) -> Rule | None:
    rule_id: str = rule["rule_id"]
    if kind == "room":
        return {**rule, "rule_id": room_id} if rule_id == old_room_id else None
    conditions = [
        {**one, "pattern": room_id} if _is_room(one, old_room_id) else one
        for one in rule.get("conditions", ())
    ]
    if conditions == rule.get("conditions", []):
        return None
    is_named = old_room_id in rule_id
    copied_id = rule_id.replace(old_room_id, room_id) if is_named else f"{rule_id}_{room_id}"
    return {**rule, "rule_id": copied_id, "conditions": conditions}


def _is_room(condition: dict[str, Any], room_id: str) -> bool:
    return (condition.get("kind"), condition.get("key"), condition.get("pattern")) == (
        "event_match",
        "room_id",
        room_id,
    )


def _own(known: list[Rule], rule_id: str) -> int:
    for at, rule in enumerate(known):
        if rule["rule_id"] == rule_id and not rule["default"]:
            return at
    raise NeighbourUnknown(f"before/after rule not found: {rule_id}")


def _rules_of(rules: RuleSet, kind: str) -> list[Rule]:
    found: list[Rule] = rules.get(kind, [])
    return found
