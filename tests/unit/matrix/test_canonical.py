"""Canonical JSON and the decoding of JSON from the network."""

import json
from pathlib import Path
from typing import Any

import canonicaljson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.canonical import MAX_INTEGER, check_strict, decode_json, encode_canonical
from matrix.errors import BadJson, NotJson

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "canonical_json.json").read_text())

text = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers() | st.integers(min_value=-(2**80), max_value=2**80)
scalars = st.none() | st.booleans() | integers | text
floats = st.floats(allow_nan=False, allow_infinity=False)


def json_values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda children: (
            st.lists(children, max_size=5) | st.dictionaries(text, children, max_size=5)
        ),
        max_leaves=20,
    )


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_the_examples_of_the_specification_give_its_canonical_json(case: dict[str, str]) -> None:
    assert encode_canonical(decode_json(case["json"].encode())) == case["canonical"].encode()


@settings(deadline=None)
@given(json_values(scalars | floats))
def test_canonical_json_equals_that_of_other_servers(value: Any) -> None:
    assert encode_canonical(value) == canonicaljson.encode_canonical_json(value)


@settings(deadline=None)
@given(json_values(scalars | floats))
def test_canonical_json_decodes_to_the_same_value(value: Any) -> None:
    assert decode_json(encode_canonical(value)) == value


@pytest.mark.parametrize("value", [1e-7, 1e16, 1e22, 5e-324, 1.0, -0.0, 2**64, -(2**63) - 1])
def test_numbers_of_old_rooms_are_written_as_other_servers_write_them(value: float) -> None:
    assert encode_canonical({"a": value}) == canonicaljson.encode_canonical_json({"a": value})


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        {"\udfff": 1},
        ["a\ud83d"],
        float("nan"),
        float("inf"),
        {"a": -float("inf")},
        {1: 2},
        {None: 2, "a": 1.5},
        {"a": object()},
        {"a": 1.5, "b": {2}},
        nested(20_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_canonical_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(BadJson):
        encode_canonical(value)


@pytest.mark.parametrize(
    "value", [0, MAX_INTEGER, -MAX_INTEGER, "x", None, True, {"a": [{"b": 1}]}, nested(100)]
)
def test_strict_content_is_accepted(value: Any) -> None:
    check_strict(value)


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        {"a": [1e10]},
        MAX_INTEGER + 1,
        {"a": {"b": -MAX_INTEGER - 1}},
        {"a": b"bytes"},
        {"a": (1, 2)},
        nested(101),
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_strict_content_holds_small_integers_only_and_is_not_deep(value: Any) -> None:
    with pytest.raises(BadJson):
        check_strict(value)


@settings(deadline=None)
@given(json_values(scalars | floats))
def test_strict_content_is_what_canonical_json_can_hold(value: Any) -> None:
    numbers = []

    def collect(item: Any) -> None:
        if isinstance(item, dict):
            item = list(item.values())
        if isinstance(item, list):
            for child in item:
                collect(child)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            numbers.append(item)

    collect(value)
    legal = all(isinstance(n, int) and abs(n) <= MAX_INTEGER for n in numbers)
    try:
        check_strict(value)
    except BadJson:
        assert not legal
    else:
        assert legal


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b"nul",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e999",
        b"01",
        b"[1,]",
        b"{'a':1}",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud83d":1}',
        b'"\\ud83d\\u0041"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\x00"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"9" * 10_000,
        b"[" * 101 + b"]" * 101,
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"[" * 1_000_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_not_json_or_too_deep_is_refused(body: bytes) -> None:
    with pytest.raises(NotJson):
        decode_json(body)


def test_the_depth_allowed_can_be_chosen() -> None:
    body = b"[" * 5 + b"]" * 5

    assert decode_json(body, max_depth=5) == [[[[[]]]]]
    with pytest.raises(NotJson):
        decode_json(body, max_depth=4)


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    assert len(decode_json(b"[" + b",".join([b"[{}]"] * 500) + b"]")) == 500
    assert decode_json(b'"' + b"[" * 500 + b'"') == "[" * 500


def test_decoding_keeps_large_integers_exact_and_the_last_of_repeated_keys() -> None:
    assert decode_json(b'{"a":1,"a":123456789012345678901234567890}') == {
        "a": 123456789012345678901234567890
    }
    assert decode_json(b'["\\u0000","\\ud83d\\ude00",-0]') == ["\0", "😀", 0]


@settings(deadline=None)
@given(st.binary() | st.text().map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_decoding_anything_gives_a_value_or_not_json(body: bytes) -> None:
    try:
        value = decode_json(body)
    except NotJson:
        return
    assert decode_json(encode_canonical(value)) == value
