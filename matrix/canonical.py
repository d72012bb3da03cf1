"""Canonical JSON, and the decoding of JSON from the network (appendices, "Canonical JSON")."""

from collections.abc import Mapping
from typing import Any, Final

import canonicaljson
import msgspec
import orjson

from matrix.errors import BadJson, NotJson

MAX_INTEGER: Final = 2**53 - 1
"""The greatest integer of canonical JSON; the least is its negative."""
MAX_NESTING: Final = 100
"""How many objects and arrays may stand inside each other."""

# Unlike orjson, which turns integers over 64 bits into floats, msgspec keeps them exact:
# events of room versions 1 to 5 may hold any integer, and their hashes depend on it.
_decode_exact: Final = msgspec.json.Decoder().decode
_CONTAINERS: Final = frozenset({dict, list})


def decode_json(body: bytes, *, max_depth: int = MAX_NESTING) -> Any:
    """Return the value of a JSON text, integers exact.

    Of a repeated key the last value stays. Raises `NotJson` on anything but one UTF-8 JSON
    value, on lone surrogates, NaN and infinities, and on more than `max_depth` levels.
    """
    try:
        value = _decode_exact(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise NotJson(f"The body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise NotJson("The body nests too deeply.") from error
    # Counting brackets is much cheaper than walking, and enough for nearly every body.
    if body.count(b"[") + body.count(b"{") > max_depth and nests_deeper_than(value, max_depth):
        raise NotJson("The body nests too deeply.")
    return value


def nests_deeper_than(value: Any, limit: int) -> bool:
    """Whether more than `limit` objects and arrays stand inside each other in `value`."""
    level = [value] if type(value) in _CONTAINERS else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        level = [
            child
            for item in level
            for child in (item.values() if type(item) is dict else item)
            if type(child) in _CONTAINERS
        ]
    return False


def check_strict(value: Any, *, max_depth: int = MAX_NESTING) -> None:
    """Raise `BadJson` unless canonical JSON can hold `value` (enforced from room version 6 on).

    It cannot hold floats, integers beyond ±(2^53 - 1), nor what is not a JSON value. More than
    `max_depth` levels are refused as well. Strings are left to the encoder.
    """
    level = [value]
    for remaining in range(max_depth, -1, -1):
        deeper: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str or kind is bool or item is None:
                continue
            if kind is int:
                if not -MAX_INTEGER <= item <= MAX_INTEGER:
                    raise BadJson("An integer of the event lies outside ±(2^53 - 1).")
            elif kind is float:
                raise BadJson("Only integers are allowed as numbers in events.")
            elif kind not in _CONTAINERS:
                raise BadJson("This is not a JSON value.")
            elif not remaining:
                raise BadJson("The event nests too deeply.")
            else:
                deeper.extend(item.values() if kind is dict else item)
        if not deeper:
            return
        level = deeper


def encode_canonical(value: Any) -> bytes:
    """Return the canonical JSON of `value`, or raise `BadJson` if there is none.

    Floats and large integers, which events of room versions 1 to 5 may hold, are written as
    other servers write them.
    """
    if not _contains_float(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # an integer over 64 bits, or deeper than orjson goes
            return _encode_slowly(value)
    return _encode_slowly(value)


def encode_strict(value: Any) -> bytes:
    """Return the canonical JSON of a value which `check_strict` has passed, or raise `BadJson`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise BadJson(f"This has no canonical JSON: {error}") from error


def _contains_float(value: Any) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind is dict:
            pending.extend(item.values())
        elif kind is list:
            pending.extend(item)
        elif kind is float:
            return True
    return False


def _encode_slowly(value: Any) -> bytes:
    try:
        _check_keys(value)
        encoded: bytes = canonicaljson.encode_canonical_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadJson(f"This has no canonical JSON: {error}") from error
    return encoded


def _check_keys(value: Any) -> None:
    """Raise `TypeError` on a key that is not a string, which the slow encoder would convert."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            if not all(isinstance(key, str) for key in item):
                raise TypeError("a key is not a string")
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
