"""Fields of a JSON object have the type that the handler asks for, or are refused."""

from collections.abc import Callable
from typing import Any

import pytest

from base.http import Fields
from matrix.errors import BadJson, MissingParam

REQUIRED: dict[str, Callable[[Fields], Any]] = {
    "string": lambda fields: fields.string("x"),
    "integer": lambda fields: fields.integer("x"),
    "boolean": lambda fields: fields.boolean("x"),
    "object": lambda fields: fields.object("x"),
    "json_object": lambda fields: fields.json_object("x"),
    "list_of_strings": lambda fields: fields.list_of_strings("x"),
    "list_of_objects": lambda fields: fields.list_of_objects("x"),
}
OPTIONAL: dict[str, tuple[Callable[[Fields], Any], Any]] = {
    "string": (lambda fields: fields.optional_string("x"), None),
    "string with default": (lambda fields: fields.optional_string("x", "d"), "d"),
    "integer": (lambda fields: fields.optional_integer("x"), None),
    "integer with default": (lambda fields: fields.optional_integer("x", 5), 5),
    "boolean": (lambda fields: fields.boolean("x", default=True), True),
    "object": (lambda fields: fields.optional_object("x"), None),
    "json_object": (lambda fields: fields.optional_json_object("x"), None),
    "list_of_strings": (lambda fields: fields.optional_list_of_strings("x"), []),
    "list_of_objects": (lambda fields: fields.optional_list_of_objects("x"), []),
}


@pytest.mark.parametrize("kind", REQUIRED)
@pytest.mark.parametrize("raw", [{}, {"x": None}])
def test_a_required_field_is_missed(kind: str, raw: dict[str, Any]) -> None:
    with pytest.raises(MissingParam, match="x"):
        REQUIRED[kind](Fields(raw))


@pytest.mark.parametrize("kind", OPTIONAL)
@pytest.mark.parametrize("raw", [{}, {"x": None}])
def test_an_optional_field_has_a_default(kind: str, raw: dict[str, Any]) -> None:
    read, default = OPTIONAL[kind]

    assert read(Fields(raw)) == default


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 1),
        ("string", ["a"]),
        ("integer", "1"),
        ("integer", 1.0),
        ("integer", True),
        ("boolean", 1),
        ("boolean", "true"),
        ("object", []),
        ("json_object", "a"),
        ("list_of_strings", "abc"),
        ("list_of_strings", ["a", 1]),
        ("list_of_strings", {"a": 1}),
        ("list_of_objects", [{}, 1]),
        ("list_of_objects", {}),
    ],
)
def test_a_field_of_another_type_is_refused(kind: str, value: Any) -> None:
    fields = Fields({"x": value})

    with pytest.raises(BadJson, match="x"):
        REQUIRED[kind](fields)
    with pytest.raises(BadJson, match="x"):
        OPTIONAL[kind][0](fields)


def test_fields_of_the_right_type_are_given() -> None:
    fields = Fields(
        {
            "s": "text",
            "i": 3,
            "b": False,
            "o": {"inner": {"s": 1}},
            "l": ["a"],
            "lo": [{"a": 1}],
        }
    )

    assert fields.string("s") == "text"
    assert fields.integer("i") == 3
    assert fields.boolean("b", default=True) is False
    assert fields.json_object("o") == {"inner": {"s": 1}}
    assert fields.list_of_strings("l") == ["a"]
    assert [item.raw for item in fields.list_of_objects("lo")] == [{"a": 1}]
    assert "s" in fields
    assert "z" not in fields


def test_an_error_names_the_way_to_the_field() -> None:
    fields = Fields({"identifier": {"users": [{}, {"name": 1}]}})

    users = fields.object("identifier").list_of_objects("users")

    with pytest.raises(BadJson, match=r"identifier\.users\[1\]\.name"):
        users[1].string("name")
