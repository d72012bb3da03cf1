"""Identifiers and their grammars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import InvalidParam
from matrix.identifiers import (
    is_room_id_of_hash,
    is_user_id,
    is_valid_new_localpart,
    localpart_of,
    parse_event_id,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    server_of,
)

HASH = "Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ"
PARSERS = [parse_user_id, parse_room_id, parse_event_id, parse_room_alias, parse_server_name]


@pytest.mark.parametrize(
    "text",
    [
        "matrix.org",
        "matrix.org:8888",
        "1.2.3.4",
        "1.2.3.4:1234",
        "[1234:5678::abcd]",
        "[1234:5678::abcd]:5678",
        "localhost",
        "EXAMPLE.org",
        "a" * 255,
    ],
)
def test_server_names_of_the_grammar_are_accepted(text: str) -> None:
    assert parse_server_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a:",
        "a:123456",
        "a:8x",
        "a b",
        "a_b",
        "a/b",
        "é.org",
        "a@b",
        "[::1",
        "::1",
        "[xyz]",
        "a\n",
        "a\0",
        "a" * 256,
        "example.org:٣",
    ],
)
def test_other_server_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        parse_server_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "@alice:example.org",
        "@alice:example.org:8448",
        "@a.b_c=d-e/f+g:[::1]:80",
        "@Alice:example.org",
        "@:example.org",
        "@é ☃\n:example.org",
        "@" + "a" * 252 + ":b",
    ],
)
def test_user_ids_of_today_and_of_history_are_accepted(text: str) -> None:
    assert parse_user_id(text) == text
    assert is_user_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "alice",
        "@alice",
        "@alice:",
        "alice:example.org",
        "@a:b:c",
        "@a\0:b",
        "@a:b\0",
        "@\ud800:b",
        "@" + "a" * 253 + ":b",
        "@" + "é" * 127 + ":b",
        "#alice:example.org",
    ],
)
def test_other_user_ids_are_refused(text: str) -> None:
    assert not is_user_id(text)
    with pytest.raises(InvalidParam):
        parse_user_id(text)


@pytest.mark.parametrize("value", [None, 1, b"@alice:example.org", ["@alice:example.org"], {}])
def test_what_is_not_a_string_is_no_user_id(value: object) -> None:
    assert not is_user_id(value)


def test_room_ids_have_a_domain_or_are_a_hash() -> None:
    assert parse_room_id("!opaque:example.org") == "!opaque:example.org"
    assert parse_room_id("!" + HASH) == "!" + HASH
    assert is_room_id_of_hash("!" + HASH)
    assert not is_room_id_of_hash("!opaque:example.org")


@pytest.mark.parametrize(
    "text",
    ["", "!", "!a", "!:b", "a:b", "#a:b", "!a\0:b", "!\udc00:b", "!" + HASH + "A", "!" + "/" * 43],
)
def test_other_room_ids_are_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        parse_room_id(text)


@pytest.mark.parametrize(
    "text", ["$a:b", "$" + HASH, "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"]
)
def test_event_ids_of_every_form_are_accepted(text: str) -> None:
    assert parse_event_id(text) == text


@pytest.mark.parametrize("text", ["", "$", "a", "$a\0", "$\ud800", "$" + "a" * 255])
def test_other_event_ids_are_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        parse_event_id(text)


def test_room_aliases_have_any_localpart_and_a_domain() -> None:
    assert parse_room_alias("#ü ☃:example.org") == "#ü ☃:example.org"
    for text in (
        "",
        "#a",
        "#:b",
        "a:b",
        "#a:",
        "#a\0:b",
        "#\ud800:b",
        "#a:b c",
        "#" + "a" * 254 + ":b",
    ):
        with pytest.raises(InvalidParam):
            parse_room_alias(text)


def test_an_identifier_names_its_server_and_its_localpart() -> None:
    assert server_of("@alice:example.org:8448") == "example.org:8448"
    assert server_of("#room:[::1]:80") == "[::1]:80"
    assert localpart_of("@alice:example.org:8448") == "alice"
    with pytest.raises(InvalidParam):
        server_of("!" + HASH)


@pytest.mark.parametrize("text", ["alice", "a.b_c=d-e/f+g", "0", "_bridge_x"])
def test_new_users_have_localparts_of_the_current_grammar(text: str) -> None:
    assert is_valid_new_localpart(text)


@pytest.mark.parametrize("text", ["", "Alice", "a b", "é", "a:b", "@a", "a\n", "a\0", "a" * 255])
def test_new_users_have_no_other_localparts(text: str) -> None:
    assert not is_valid_new_localpart(text)


@given(st.text(st.characters()) | st.text("@!#$:.\0abé\ud800[]", max_size=300))
def test_a_parser_returns_its_argument_or_refuses_it(text: str) -> None:
    for parse in PARSERS:
        try:
            parsed = parse(text)
        except InvalidParam:
            continue
        assert parsed == text
        assert "\0" not in text
        assert len(text.encode()) <= 255
