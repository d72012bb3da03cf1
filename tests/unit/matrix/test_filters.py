"""Filters as clients define them."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.errors import BadJson, InvalidParam, MatrixError
from matrix.filters import EventFilter, Filter, TypePatterns, split_path

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM, OTHER_ROOM = "!a:example.org", "!b:example.org"


def matches(definition: dict[str, Any], **event: Any) -> bool:
    fields: dict[str, Any] = {"event_type": "m.room.message", "sender": ALICE, "room_id": ROOM}
    return EventFilter.parse(definition).matches(**{**fields, "content": {}, **event})


def test_an_empty_filter_lets_everything_pass() -> None:
    parsed = Filter.parse({})

    assert parsed.event_format == "client"
    assert parsed.event_fields is None
    assert not parsed.room.include_leave
    assert parsed.room.includes_room(ROOM)
    for part in (
        parsed.presence,
        parsed.account_data,
        parsed.room.timeline,
        parsed.room.state,
        parsed.room.ephemeral,
        parsed.room.account_data,
    ):
        assert part.is_pass_all
        assert not part.is_pass_none
        assert part.limit == 10
        assert part.matches("any.type", ALICE, ROOM, {})
        assert not part.lazy_load_members


def test_every_field_of_a_filter_is_read() -> None:
    parsed = Filter.parse(
        {
            "event_fields": ["content.body", "type"],
            "event_format": "federation",
            "presence": {"not_types": ["*"]},
            "account_data": {"types": ["m.direct"]},
            "room": {
                "rooms": [ROOM],
                "not_rooms": [OTHER_ROOM],
                "include_leave": True,
                "timeline": {
                    "limit": 5,
                    "unread_thread_notifications": True,
                    "contains_url": False,
                },
                "state": {"lazy_load_members": True, "include_redundant_members": True},
                "ephemeral": {"senders": [ALICE]},
                "account_data": {"not_senders": [ALICE]},
                "org.example": 1,
            },
            "org.example": 1,
        }
    )

    assert parsed.event_fields == (("content", "body"), ("type",))
    assert parsed.event_format == "federation"
    assert parsed.presence.is_pass_none
    assert not parsed.account_data.is_pass_all
    assert parsed.room.include_leave
    assert parsed.room.includes_room(ROOM)
    assert not parsed.room.includes_room(OTHER_ROOM)
    assert not parsed.room.includes_room("!c:example.org")
    assert parsed.room.timeline.limit == 5
    assert parsed.room.timeline.unread_thread_notifications
    assert parsed.room.timeline.contains_url is False
    assert parsed.room.state.lazy_load_members
    assert parsed.room.state.include_redundant_members
    assert parsed.room.state.is_pass_all
    assert parsed.room.ephemeral.senders == frozenset({ALICE})
    assert parsed.room.account_data.not_senders == frozenset({ALICE})


def test_types_include_and_not_types_exclude_with_precedence() -> None:
    assert matches({"types": ["m.room.message"]})
    assert not matches({"types": ["m.room.name"]})
    assert not matches({"types": []})
    assert not matches({"not_types": ["m.room.message"]})
    assert matches({"not_types": []})
    assert not matches({"types": ["m.room.message"], "not_types": ["m.room.*"]})


def test_senders_include_and_not_senders_exclude_with_precedence() -> None:
    assert matches({"senders": [ALICE]})
    assert not matches({"senders": [BOB]})
    assert not matches({"senders": []})
    assert not matches({"not_senders": [ALICE]})
    assert not matches({"senders": [ALICE], "not_senders": [ALICE]})


def test_rooms_include_and_not_rooms_exclude_unless_there_is_no_room() -> None:
    assert matches({"rooms": [ROOM]})
    assert not matches({"rooms": [OTHER_ROOM]})
    assert not matches({"not_rooms": [ROOM]})
    assert not matches({"rooms": [ROOM], "not_rooms": [ROOM]})
    assert matches({"not_rooms": [ROOM]}, room_id=None)


def test_contains_url_wants_or_forbids_a_url() -> None:
    assert matches({"contains_url": True}, content={"url": "mxc://a/b"})
    assert not matches({"contains_url": True})
    assert matches({"contains_url": False})
    assert not matches({"contains_url": False}, content={"url": "mxc://a/b"})
    assert matches({"contains_url": None}, content={"url": "mxc://a/b"})


@pytest.mark.parametrize(
    "definition",
    [
        {"types": []},
        {"not_types": ["*"]},
        {"senders": []},
        {"senders": [ALICE], "not_senders": [ALICE, BOB]},
        {"rooms": [ROOM], "not_rooms": [ROOM]},
        {"types": ["m.x"], "not_types": ["m.y", "**"]},
    ],
)
def test_filters_that_let_nothing_pass_are_known_beforehand(definition: dict[str, Any]) -> None:
    parsed = EventFilter.parse(definition)

    assert parsed.is_pass_none
    assert not parsed.is_pass_all
    assert not parsed.matches("m.x", ALICE, ROOM, {})


@pytest.mark.parametrize(
    ("pattern", "event_type", "expected"),
    [
        ("m.room.*", "m.room.message", True),
        ("m.room.*", "m.room.", True),
        ("m.room.*", "m.roo", False),
        ("*.message", "m.room.message", True),
        ("*.message", "m.room.message2", False),
        ("m.*.message", "m.room.message", True),
        ("m.*.*.x", "m.a.b.x", True),
        ("m.*.*.x", "m.a.x", False),
        ("ab*ba", "aba", False),
        ("a*b*b", "ab", False),
        ("m.room.message", "m_room_message", False),
        ("m?room", "m.room", False),
        ("*", "", True),
    ],
)
def test_a_star_stands_for_any_sequence(pattern: str, event_type: str, *, expected: bool) -> None:
    assert TypePatterns([pattern]).match(event_type) is expected


@settings(deadline=None)
@given(st.lists(st.text("ab*.", max_size=8), max_size=3), st.text("ab*.", max_size=12))
def test_patterns_match_as_regular_expressions_do(patterns: list[str], event_type: str) -> None:
    expected = any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), event_type, re.DOTALL)
        for pattern in patterns
    )

    assert TypePatterns(patterns).match(event_type) == expected


def test_limits_have_a_default_and_a_maximum() -> None:
    assert EventFilter.parse({}).limit == 10
    assert EventFilter.parse({}, default_limit=20).limit == 20
    assert EventFilter.parse({"limit": 10**9}).limit == 1000
    assert EventFilter.parse({"limit": 500}, max_limit=100).limit == 100
    assert (
        Filter.parse({"room": {"timeline": {"limit": 500}}}, max_limit=100).room.timeline.limit
        == 100
    )
    assert EventFilter.parse({"limit": 0}).limit == 0


@pytest.mark.parametrize(
    "definition",
    [
        [],
        None,
        "x",
        {"room": []},
        {"room": {"timeline": 1}},
        {"room": {"timeline": {"types": "m.room.message"}}},
        {"room": {"timeline": {"types": [1]}}},
        {"room": {"timeline": {"limit": "5"}}},
        {"room": {"timeline": {"limit": 1.5}}},
        {"room": {"timeline": {"limit": True}}},
        {"room": {"state": {"lazy_load_members": 1}}},
        {"room": {"include_leave": "yes"}},
        {"room": {"rooms": {}}},
        {"presence": {"senders": [None]}},
        {"event_fields": "type"},
        {"event_format": 1},
    ],
)
def test_wrong_types_are_bad_json(definition: object) -> None:
    with pytest.raises(BadJson):
        Filter.parse(definition)


@pytest.mark.parametrize(
    "definition",
    [
        {"event_format": "xml"},
        {"room": {"timeline": {"limit": -1}}},
        {"room": {"rooms": ["a"]}},
        {"room": {"timeline": {"not_rooms": ["#a:b"]}}},
        {"presence": {"senders": ["alice"]}},
        {"presence": {"types": ["x" * 256]}},
        {"presence": {"types": ["x"] * 1001}},
        {"event_fields": ["x"] * 101},
        {"presence": {"types": ["*x" * 101]}},
        {"room": {"timeline": {"not_types": [f"{number}*" for number in range(101)]}}},
    ],
    ids=lambda definition: repr(definition)[:40],
)
def test_values_that_cannot_be_are_invalid(definition: object) -> None:
    with pytest.raises(InvalidParam):
        Filter.parse(definition)


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("type", ("type",)),
        ("content.body", ("content", "body")),
        (r"content.m\.relates_to", ("content", "m.relates_to")),
        (r"content.m\\foo", ("content", r"m\foo")),
        (r"a\\.b", ("a\\", "b")),
        (r"a\x.b", (r"a\x", "b")),
        ("a..b", ("a", "", "b")),
        ("", ("",)),
        ("a\\", ("a\\",)),
    ],
)
def test_paths_of_properties_are_split_at_unescaped_dots(path: str, keys: tuple[str, ...]) -> None:
    assert split_path(path) == keys


def test_only_the_fields_asked_for_are_selected() -> None:
    event = {
        "type": "m.room.message",
        "sender": ALICE,
        "content": {"body": "hi", "m.relates_to": {"event_id": "$a", "rel_type": "m.thread"}},
    }

    def select(*fields: str) -> Any:
        return Filter.parse({"event_fields": list(fields)}).select_fields(event)

    assert Filter.parse({}).select_fields(event) is event
    assert select() == {}
    assert select("type", "missing", "type.deeper") == {"type": "m.room.message"}
    assert select("content.body", r"content.m\.relates_to.rel_type") == {
        "content": {"body": "hi", "m.relates_to": {"rel_type": "m.thread"}}
    }
    for fields in (("content", "content.body"), ("content.body", "content")):
        assert select(*fields) == {"content": event["content"]}


parts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("@a:b"),
    lambda children: st.lists(children, max_size=3),
    max_leaves=4,
)
event_filters = parts | st.dictionaries(
    st.sampled_from(["limit", "types", "not_types", "senders", "rooms", "contains_url"]), parts
)
room_filters = parts | st.dictionaries(
    st.sampled_from(["rooms", "not_rooms", "include_leave", "timeline", "state"]),
    parts | event_filters,
)


@settings(deadline=None)
@given(
    parts
    | st.dictionaries(
        st.sampled_from(["event_fields", "event_format", "presence", "room"]),
        parts | event_filters | room_filters,
    )
)
def test_anything_is_parsed_or_refused(definition: object) -> None:
    try:
        parsed = Filter.parse(definition)
    except MatrixError:
        return
    timeline = parsed.room.timeline
    assert timeline.matches("m.x", ALICE, ROOM, {}) >= timeline.is_pass_all
    assert not (timeline.is_pass_none and timeline.matches("m.x", ALICE, ROOM, {}))
    assert 0 <= timeline.limit <= 1000
    assert parsed.select_fields({"type": "m.x"}) in ({}, {"type": "m.x"})
