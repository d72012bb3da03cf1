"""Tokens of pages (`from`, `since`, `next_batch`): the place where the next page begins.

A token holds a small struct, which says what the page was of: nothing is kept for it, so that it
never expires and any process takes it. Clients may send anything: whoever parses one checks that
it is for what is asked.
"""

from typing import TypeVar

import msgspec

from matrix.errors import InvalidParam
from matrix.unpadded_base64 import decode_base64_url_safe, encode_base64_url_safe

T = TypeVar("T", bound=msgspec.Struct)


def encode_page_token(place: msgspec.Struct) -> str:
    """Return the token of a place as clients see it."""
    return encode_base64_url_safe(msgspec.msgpack.encode(place))


def parse_page_token(text: str, kind: type[T], parameter: str) -> T:
    """Return the place that a parameter of the query names, or raise `InvalidParam`."""
    try:
        return msgspec.msgpack.decode(decode_base64_url_safe(text), type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidParam(f"{parameter} is no token of this endpoint.") from error
