"""Which push rule applies to an event, and what it does."""

import json
from pathlib import Path
from typing import Any

import pytest

from matrix.identifiers import UserID
from matrix.push_rules.conditions import Circumstances, compile_condition
from matrix.push_rules.evaluation import PushRules, Verdict
from matrix.push_rules.predefined import default_push_rules
from matrix.push_rules.properties import PushEvent

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "push_rules.json").read_text())
ALICE = UserID(VECTORS["user_id"])
LOUD = ["notify", {"set_tweak": "highlight"}]


def circumstances(
    *, member_count: int = 3, display_name: str | None = None, allowed: tuple[str, ...] = ()
) -> Circumstances:
    return Circumstances(display_name, member_count, lambda kind: kind in allowed)


def message(body: str = "hi", **content: Any) -> PushEvent:
    return PushEvent(
        {
            "type": "m.room.message",
            "sender": "@bob:xylem.test",
            "room_id": "!room:xylem.test",
            "content": {"msgtype": "m.text", "body": body, **content},
        }
    )


def rules_with(**kinds: list[dict[str, Any]]) -> PushRules:
    """Return Alice's rules with some of her own before the predefined ones of their kinds."""
    ruleset = default_push_rules(ALICE)["global"]
    for kind, own in kinds.items():
        ruleset[kind] = [
            *({"enabled": True, "default": False, **rule} for rule in own),
            *ruleset[kind],
        ]
    return PushRules(ALICE, {"global": ruleset})


def verdict(rules: PushRules, event: PushEvent, **about: Any) -> Verdict:
    return rules.evaluate(event, circumstances(**about))


@pytest.mark.parametrize("case", VECTORS["conditions"], ids=lambda case: str(case["name"]))
def test_conditions_hold_as_specified(case: dict[str, Any]) -> None:
    condition = compile_condition(case["condition"])

    holds = condition.holds(PushEvent(case["event"]), circumstances(**case.get("about", {})))

    assert holds is case["holds"]


@pytest.mark.parametrize("case", VECTORS["predefined"], ids=lambda case: str(case["name"]))
def test_predefined_rules_apply_as_specified(case: dict[str, Any]) -> None:
    found = verdict(rules_with(), PushEvent(case["event"]), **case.get("about", {}))

    assert (found.notify, found.highlight, found.rule_id) == (
        case["notify"],
        case["highlight"],
        case["rule"],
    )


def test_kinds_are_asked_in_their_order() -> None:
    own: dict[str, list[dict[str, Any]]] = {
        "underride": [{"rule_id": "u", "conditions": [], "actions": ["notify"]}],
        "sender": [{"rule_id": "@bob:xylem.test", "actions": ["notify"]}],
        "room": [{"rule_id": "!room:xylem.test", "actions": ["notify"]}],
        "content": [{"rule_id": "c", "pattern": "hi", "actions": ["notify"]}],
        "override": [{"rule_id": "o", "conditions": [], "actions": ["notify"]}],
    }
    found = []
    while own:
        found.append(verdict(rules_with(**own), message()).rule_id)
        own.popitem()

    assert found == ["o", "c", "!room:xylem.test", "@bob:xylem.test", "u"]


def test_the_first_of_a_kind_decides() -> None:
    tea = {"rule_id": "tea", "pattern": "tea", "actions": []}
    time = {"rule_id": "time", "pattern": "time", "actions": LOUD}

    assert verdict(rules_with(content=[tea, time]), message("time for tea")).rule_id == "tea"
    assert verdict(rules_with(content=[time, tea]), message("time for tea")).rule_id == "time"


def test_the_master_rule_silences_everything() -> None:
    ruleset = default_push_rules(ALICE)
    ruleset["global"]["override"][0]["enabled"] = True

    found = verdict(
        PushRules(ALICE, ruleset), message("hi", **{"m.mentions": {"user_ids": [ALICE]}})
    )

    assert (found.notify, found.rule_id) == (False, ".m.rule.master")


def test_a_disabled_rule_never_applies() -> None:
    rule = {"rule_id": "mine", "conditions": [], "actions": [], "enabled": False}

    assert verdict(rules_with(override=[rule]), message()).rule_id == ".m.rule.message"


@pytest.mark.parametrize("actions", [["dont_notify"], [], ["coalesce"], [5], "notify", None])
def test_actions_of_old_do_nothing(actions: Any) -> None:
    rule = {"rule_id": "mine", "conditions": [], "actions": actions}

    found = verdict(rules_with(override=[rule]), message())

    assert found == Verdict(notify=False, highlight=False, tweaks={}, actions=[], rule_id="mine")


@pytest.mark.parametrize(
    ("action", "highlight"),
    [
        ({"set_tweak": "highlight"}, True),
        ({"set_tweak": "highlight", "value": True}, True),
        ({"set_tweak": "highlight", "value": False}, False),
        ({"set_tweak": "sound", "value": "ring"}, False),
    ],
)
def test_a_highlight_without_a_value_is_one(action: dict[str, Any], *, highlight: bool) -> None:
    rule = {"rule_id": "mine", "conditions": [], "actions": ["notify", action]}

    found = verdict(rules_with(override=[rule]), message())

    assert (found.notify, found.highlight) == (True, highlight)
    assert found.actions == ["notify", action]


def test_a_highlight_counts_only_with_a_notification() -> None:
    rule = {"rule_id": "mine", "conditions": [], "actions": [{"set_tweak": "highlight"}]}

    assert verdict(rules_with(override=[rule]), message())[:2] == (False, False)


def test_rules_of_old_for_names_in_the_text_are_off_where_mentions_are_told() -> None:
    names = {"conditions": [{"kind": "contains_display_name"}], "actions": LOUD, "default": True}
    rules = rules_with(override=[{"rule_id": ".m.rule.contains_display_name", **names}])

    assert verdict(rules, message("hi Alice"), display_name="Alice").highlight
    told = message("hi Alice", **{"m.mentions": {}})
    assert not verdict(rules, told, display_name="Alice").highlight


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"global": []},
        {"global": {"override": {}}},
        {"global": {"override": ["rule", {}, {"conditions": "all", "actions": ["notify"]}]}},
        {"global": {"content": [{"actions": ["notify"]}], "room": [{"actions": ["notify"]}]}},
    ],
)
def test_malformed_rules_notify_nobody(content: dict[str, Any]) -> None:
    assert not verdict(PushRules(ALICE, content), message()).notify
