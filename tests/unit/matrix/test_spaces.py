"""Children of spaces, and topics as lists of rooms show them."""

from typing import Any

import pytest

from matrix.spaces import child_order, is_valid_order, names_child
from matrix.topics import plain_topic


@pytest.mark.parametrize(
    ("content", "is_child"),
    [
        ({"via": ["a.test"]}, True),
        ({"via": ["a.test", 1]}, True),
        ({"via": []}, False),
        ({"via": "a.test"}, False),
        ({"via": [1]}, False),
        ({}, False),
    ],
)
def test_a_child_is_named_with_servers(content: dict[str, Any], is_child: bool) -> None:  # noqa: FBT001 (a case)
    assert names_child(content) == is_child


def test_an_order_has_up_to_fifty_printable_characters() -> None:
    assert is_valid_order("")
    assert is_valid_order(" ~" * 25)
    assert not is_valid_order("a" * 51)
    assert not is_valid_order("\x1f")
    assert not is_valid_order("\x7f")
    assert not is_valid_order("ä")


def test_children_are_ordered_as_the_example_of_the_specification_has_them() -> None:
    children = {
        "!b:example.org": ({"order": " "}, 1640341000000),
        "!a:example.org": ({"order": "aaaa"}, 1640141000000),
        "!c:example.org": ({"order": "first"}, 1640841000000),
        "!e:example.org": ({}, 1640641000000),
        "!d:example.org": ({}, 1640741000000),
    }

    ordered = sorted(children, key=lambda one: child_order(*children[one], one))

    assert ordered == list(children)


def test_children_with_one_order_are_ordered_by_time_and_then_by_room() -> None:
    rooms = [("!b", 1), ("!c", 1), ("!a", 2)]

    for content in ({"order": "x"}, {"order": 1}, {}):
        ordered = sorted(rooms, key=lambda one: child_order(content, one[1], one[0]))
        assert ordered == rooms


@pytest.mark.parametrize(
    ("content", "topic"),
    [
        ({"topic": "old"}, "old"),
        ({"topic": ""}, None),
        ({"topic": 1}, None),
        ({"topic": "old", "m.topic": {"m.text": [{"body": "new"}]}}, "new"),
        (
            {
                "topic": "old",
                "m.topic": {
                    "m.text": [
                        {"mimetype": "text/html", "body": "<b>"},
                        {"mimetype": "text/plain", "body": "new"},
                    ]
                },
            },
            "new",
        ),
        ({"topic": "old", "m.topic": {"m.text": [{"mimetype": "text/html", "body": "<b>"}]}}, None),
        ({"topic": "old", "m.topic": {"m.text": []}}, "old"),
        ({"topic": "old", "m.topic": "x"}, "old"),
        ({}, None),
    ],
)
def test_a_topic_is_shown_in_plain_text(content: dict[str, Any], topic: str | None) -> None:
    assert plain_topic(content) == topic
