"""What an event's content says of a parent: anything may stand there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.identifiers import EventID
from matrix.relations import Relation, rel_type_of, relation_of

PARENT = EventID("$parent")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
PLAUSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "rel_type": JSON | st.sampled_from(["m.thread", "m.replace", "m.annotation"]),
        "event_id": JSON | st.sampled_from(["$parent", "parent"]),
        "key": JSON,
    },
)


def content(**relates_to: Any) -> dict[str, Any]:
    return {"m.relates_to": relates_to}


def test_a_relation_has_a_type_and_a_parent() -> None:
    found = relation_of(content(rel_type="m.reference", event_id="$parent"))

    assert found == Relation("m.reference", PARENT, None, has_new_content=False)


def test_an_annotation_has_a_key() -> None:
    found = relation_of(content(rel_type="m.annotation", event_id="$parent", key="👍"))

    assert found == Relation("m.annotation", PARENT, "👍", has_new_content=False)


def test_a_replacement_may_say_what_it_replaces_with() -> None:
    edit = content(rel_type="m.replace", event_id="$parent") | {"m.new_content": {"body": "b"}}

    assert relation_of(edit) == Relation("m.replace", PARENT, None, has_new_content=True)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        content(),
        content(**{"m.in_reply_to": {"event_id": "$parent"}}),
        content(rel_type="m.thread"),
        content(event_id="$parent"),
        content(rel_type="m.thread", event_id="parent"),
        content(rel_type="m.thread", event_id="$" + "p" * 255),
        content(rel_type="m.thread", event_id="$nul\0"),
        content(rel_type="m.thread", event_id="$\ud800"),
        content(rel_type="t" * 256, event_id="$parent"),
        content(rel_type="\ud800", event_id="$parent"),
        content(rel_type="nul\0", event_id="$parent"),
        content(rel_type="", event_id="$parent"),
    ],
    ids=repr,
)
def test_what_does_not_match_the_schema_is_no_relation(odd: dict[str, Any]) -> None:
    assert relation_of(odd) is None


@given(JSON | PLAUSIBLE, JSON)
def test_nothing_that_stands_there_is_an_error(relates_to: Any, new_content: Any) -> None:
    found = relation_of({"m.relates_to": relates_to, "m.new_content": new_content})

    if found is not None:
        assert relates_to["rel_type"] == found.rel_type
        assert relates_to["event_id"] == found.parent_id


def test_a_type_without_a_parent_is_a_type_all_the_same() -> None:
    assert rel_type_of(content(rel_type="m.replace")) == "m.replace"
    assert rel_type_of(content(rel_type=5)) is None
    assert rel_type_of({"m.relates_to": "m.replace"}) is None
