"""Tokens of pages."""

import msgspec
import pytest

from matrix.errors import InvalidParam
from requesting.page_tokens import encode_page_token, parse_page_token


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ends."""

    room_id: str
    count: int


class Other(msgspec.Struct, frozen=True, array_like=True):
    """The place of another endpoint."""

    room_id: str
    name: str


def test_a_token_leads_back_to_its_place() -> None:
    place = Place("!ä:xylem.test", 2**40)

    assert parse_page_token(encode_page_token(place), Place, "from") == place


@pytest.mark.parametrize("text", ["", "x", "x x", "é", "A" * 5000, "gqEh", "gqEh==="])
def test_what_is_no_token_is_refused_by_the_name_of_its_parameter(text: str) -> None:
    with pytest.raises(InvalidParam, match="since is no token"):
        parse_page_token(text, Place, "since")


def test_a_token_of_another_endpoint_is_refused() -> None:
    token = encode_page_token(Other("!a", "x"))

    with pytest.raises(InvalidParam):
        parse_page_token(token, Place, "from")
