"""Properties: what is decided ahead, by class and by room, is what the rules themselves say."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.identifiers import UserID
from matrix.push_rules.classes import NAMES_ROOM, NAMES_USERS, class_of, users_named_in
from matrix.push_rules.conditions import Circumstances, words_in_body
from matrix.push_rules.evaluation import MOST_WORK, PushRules, own_work
from matrix.push_rules.in_room import RoomRules, RulesByRoom
from matrix.push_rules.patterns import LONGEST_TEXT, match_whole, match_words
from matrix.push_rules.predefined import default_push_rules
from matrix.push_rules.properties import PushEvent

ALICE, BOB = UserID("@alice:xylem.test"), UserID("@bob:xylem.test")
ROOM, OTHER = "!room:xylem.test", "!other:xylem.test"
TYPES = (
    "m.room.message",
    "m.room.encrypted",
    "m.call.invite",
    "m.room.tombstone",
    "m.room.server_acl",
    "m.room.member",
    "m.reaction",
    "M.Room.Message",
    "org.example.other",
)

mentions = st.fixed_dictionaries(
    {},
    optional={
        "user_ids": st.sampled_from([[], [ALICE], [BOB], [ALICE, BOB], "x", [5]]),
        "room": st.sampled_from([True, False, "true"]),
    },
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "body": st.sampled_from(["hi", "hi alice", "cake", "", 5]),
        "msgtype": st.sampled_from(["m.text", "m.notice", "M.NOTICE", 5]),
        "membership": st.sampled_from(["join", "invite"]),
        "m.mentions": mentions | st.none(),
        "m.relates_to": st.sampled_from(
            [{"rel_type": "m.replace"}, {"rel_type": "m.thread"}, {}, "m.replace"]
        ),
    },
)
events = st.builds(
    lambda kind, content, key: {
        "type": kind,
        "sender": BOB,
        "room_id": ROOM,
        "content": content,
        **({} if key is None else {"state_key": key}),
    },
    st.sampled_from(TYPES),
    contents,
    st.sampled_from([None, "", BOB]),
)
conditions = st.sampled_from(
    [
        {"kind": "event_match", "key": "room_id", "pattern": ROOM},
        {"kind": "event_match", "key": "room_id", "pattern": OTHER},
        {"kind": "event_match", "key": "content.body", "pattern": "c*e"},
        {"kind": "event_match", "key": "type", "pattern": "m.room.*"},
        {"kind": "room_member_count", "is": "2"},
        {"kind": "room_member_count", "is": ">2"},
        {"kind": "unknown"},
    ]
)
actions = st.sampled_from([[], ["notify"], ["notify", {"set_tweak": "highlight"}]])
own_rules = st.lists(
    st.tuples(st.sampled_from(["override", "underride"]), st.lists(conditions, max_size=2), actions)
    | st.tuples(st.sampled_from(["room", "sender", "content"]), st.just([]), actions),
    max_size=2,
)
changes = st.lists(st.tuples(st.integers(0, 30), st.none() | st.booleans() | actions), max_size=2)


@st.composite
def rulesets(draw: st.DrawFn) -> PushRules:
    """Return Alice's rules after she has changed some of the predefined ones and added her own."""
    ruleset = default_push_rules(ALICE)["global"]
    predefined = [rule for kind in ("override", "underride") for rule in ruleset[kind]]
    for index, change in draw(changes):
        rule = predefined[index % len(predefined)]
        if isinstance(change, bool):
            rule["enabled"] = change
        elif change is not None:
            rule["actions"] = change
    for kind, when, what in draw(own_rules):
        rule_id = {"room": ROOM, "sender": BOB}.get(kind, "mine")
        rule = {"rule_id": rule_id, "conditions": when, "pattern": "cake", "actions": what}
        ruleset[kind].insert(1 if kind == "override" else 0, rule)
    return PushRules(ALICE, {"global": ruleset})


def in_room(rules: PushRules, members: int) -> RoomRules:
    found = RulesByRoom(rules.rules).of(ROOM)
    return found.with_member_count(members) if found.needs_member_count else found


@given(rules=rulesets(), event=events, members=st.integers(1, 4), may_notify=st.booleans())
def test_rules_of_a_room_count_what_all_rules_count(
    *, rules: PushRules, event: dict[str, Any], members: int, may_notify: bool
) -> None:
    about = Circumstances("alice", members, lambda _: may_notify)
    seen = PushEvent(event)
    whole = rules.evaluate(seen, about)

    counted = in_room(rules, members).evaluate(seen, about)

    assert (counted.notify, counted.highlight) == (whole.notify, whole.highlight)


@given(rules=rulesets(), event=events, members=st.integers(1, 4), may_notify=st.booleans())
def test_a_class_tells_what_the_rules_say_of_its_events(
    *, rules: PushRules, event: dict[str, Any], members: int, may_notify: bool
) -> None:
    if event["type"] == "m.room.member":
        event["state_key"] = BOB  # Alice's invite comes before she is there to count
    about = Circumstances("alice", members, lambda _: may_notify)
    room_rules = in_room(rules, members)

    found = room_rules.plain_verdict(
        class_of(event["type"], event.get("state_key"), event["content"])
    )

    if found is not None:
        whole = rules.evaluate(PushEvent(event), about)
        assert (found.notify, found.highlight) == (whole.notify, whole.highlight)


@given(rules=rulesets(), event=events, members=st.integers(1, 4), may_notify=st.booleans())
def test_a_class_and_whom_it_mentions_tell_what_the_rules_say(
    *, rules: PushRules, event: dict[str, Any], members: int, may_notify: bool
) -> None:
    if event["type"] == "m.room.member":
        event["state_key"] = BOB
    about = Circumstances("alice", members, lambda _: may_notify)
    room_rules = in_room(rules, members)
    event_class = class_of(event["type"], event.get("state_key"), event["content"])
    if event_class < NAMES_USERS or not room_rules.is_by_class:
        return

    named = users_named_in(event["content"]) if event_class & NAMES_USERS else set()
    names_room = bool(event_class & NAMES_ROOM)
    found = room_rules.mention_verdict(
        event_class, ALICE if ALICE in named else None, room=names_room and may_notify
    )

    whole = rules.evaluate(PushEvent(event), about)
    assert (found.notify, found.highlight) == (whole.notify, whole.highlight)


def test_with_the_predefined_rules_messages_are_counted_by_class() -> None:
    rules = RulesByRoom(PushRules(ALICE, default_push_rules(ALICE)).rules).of(ROOM)

    assert rules.is_by_class
    assert not rules.needs_member_count
    message = rules.plain_verdict(class_of("m.room.message", None, {"body": "hi"}))
    assert message is not None
    assert message.notify


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("room", {"rule_id": ROOM}),
        (
            "override",
            {
                "rule_id": ROOM,
                "conditions": [{"kind": "event_match", "key": "room_id", "pattern": ROOM}],
            },
        ),
    ],
)
def test_a_muted_room_is_counted_by_class_and_others_as_before(
    kind: str, rule: dict[str, Any]
) -> None:
    ruleset = default_push_rules(ALICE)
    ruleset["global"][kind].insert(0, {"actions": [], **rule})
    rules = RulesByRoom(PushRules(ALICE, ruleset).rules)
    message = class_of("m.room.message", None, {"body": "hi"})

    muted, other = (rules.of(room).plain_verdict(message) for room in (ROOM, OTHER))

    assert muted is not None
    assert other is not None
    assert (muted.notify, other.notify) == (False, True)


texts = st.text("aA-* b_?", max_size=12)


def plain_expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern.lower())


@given(texts, texts)
def test_globs_match_as_backtracking_would(pattern: str, text: str) -> None:
    expected = re.fullmatch(plain_expression(pattern), text.lower(), re.DOTALL) is not None

    assert match_whole(pattern)(text.lower()) is expected


@given(texts, texts)
def test_globs_in_a_text_match_as_backtracking_would(pattern: str, text: str) -> None:
    edge = "(?:^|(?<=[^A-Za-z0-9_])|(?=[^A-Za-z0-9_])|$)"
    found = re.search(edge + plain_expression(pattern) + edge, text.lower(), re.DOTALL)

    assert match_words(pattern)(text.lower()) is (found is not None)


def test_a_pattern_of_many_stars_is_answered_at_once() -> None:
    pattern, text = "*a" * 200 + "*b", "a" * 60_000

    assert not match_whole(pattern)(text)
    assert not match_words(pattern)(text)
    assert not match_words("x" * 10_000)("x" * 10_000)


class CountedText(str):
    """A text that counts the characters that it gives one by one."""

    __slots__ = ("characters_given",)

    def __init__(self, _text: str) -> None:
        super().__init__()
        self.characters_given = 0

    def __iter__(self) -> Iterator[str]:
        for character in super().__iter__():
            self.characters_given += 1
            yield character

    def __getitem__(self, at: Any) -> str:
        self.characters_given += 1
        return super().__getitem__(at)


def said(body: str) -> PushEvent:
    content = {"msgtype": "m.text", "body": body}
    return PushEvent({"type": "m.room.message", "sender": BOB, "room_id": ROOM, "content": content})


NOWHERE = Circumstances(None, 2, lambda _: False)


def test_a_text_is_searched_in_one_step_for_each_character_of_a_pattern() -> None:
    text = CountedText("a" * LONGEST_TEXT)
    patterns = ["?" * 500, "a?" * 250, "?a" * 255 + "b", "*?" * 250, "a*" * 255 + "b"]

    found = [match_words(pattern)(text) for pattern in patterns]

    assert found == [False, False, False, True, False]
    # Once for its places and once for what the patterns ask; a word at each place would be more.
    assert text.characters_given <= 2 * LONGEST_TEXT


def test_the_end_of_a_long_body_is_not_searched() -> None:
    holds = words_in_body("word")

    assert holds(said("a " * 1000 + "word"), NOWHERE)
    assert not holds(said("a " * LONGEST_TEXT + "word"), NOWHERE)


def test_rules_of_the_user_that_cost_too_much_do_nothing() -> None:
    own = [
        {"rule_id": str(number), "pattern": f"word{number}" + "?" * 500, "actions": ["notify"]}
        for number in range(100)
    ]
    rules = default_push_rules(ALICE)
    rules["global"]["content"] = [*own, *rules["global"]["content"]]

    compiled = PushRules(ALICE, rules).rules

    kept = [rule for rule in compiled if not rule.is_predefined]
    predefined = [rule for rule in compiled if rule.is_predefined]
    assert 0 < len(kept) < len(own)
    assert sum(rule.work for rule in kept) <= MOST_WORK < own_work(rules)
    assert [rule.rule_id for rule in predefined] == [
        rule.rule_id for rule in PushRules(ALICE, default_push_rules(ALICE)).rules
    ]


def test_rules_about_rooms_cost_the_events_nothing() -> None:
    rules = default_push_rules(ALICE)
    rules["global"]["room"] = [
        {"rule_id": f"!{number}:xylem.test", "actions": []} for number in range(500)
    ]

    assert len(PushRules(ALICE, rules).rules) > 500
    by_room = RulesByRoom(PushRules(ALICE, rules).rules)
    plain = RulesByRoom(PushRules(ALICE, default_push_rules(ALICE)).rules)
    assert by_room.of("!other:xylem.test").work == plain.of("!other:xylem.test").work


def test_rules_of_rooms_that_were_asked_about_need_no_more_questions() -> None:
    room_ids = [f"!{number}:xylem.test" for number in range(50)]
    rules = default_push_rules(ALICE)
    rules["global"]["room"] = [{"rule_id": room_id, "actions": []} for room_id in room_ids[:30]]
    by_room = RulesByRoom(PushRules(ALICE, rules).rules)
    plain = RulesByRoom(PushRules(ALICE, default_push_rules(ALICE)).rules)

    before = by_room.questions_about(room_ids)
    by_room.ask_about(room_ids)

    assert before >= 30 * 50
    assert by_room.questions_about(room_ids) == 0
    assert by_room.of(room_ids[40]) is by_room.of(room_ids[41])
    assert plain.questions_about(room_ids) == 0
