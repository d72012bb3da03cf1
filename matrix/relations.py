"""Relationships between events, as a child's content tells of its parent (client-server API)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from matrix.errors import InvalidParam
from matrix.identifiers import EventID, parse_event_id

ANNOTATION: Final = "m.annotation"
REFERENCE: Final = "m.reference"
REPLACE: Final = "m.replace"
THREAD: Final = "m.thread"

_REL_TYPE_BYTES_MAX: Final = 255


class Relation(msgspec.Struct, frozen=True, gc=False):
    """How an event is related to its parent."""

    rel_type: str
    parent_id: EventID
    key: str | None
    """What an annotation annotates with."""
    has_new_content: bool
    """Whether there is what a replacement replaces with, in cleartext."""


def relation_of(content: Mapping[str, Any]) -> Relation | None:
    """Return the relation in an event's content; `None` for none, and for one to be ignored.

    Anything may stand there: what does not match the schema of `m.relates_to` is no relation. A
    reply without `rel_type` is none either.
    """
    rel_type = rel_type_of(content)
    if rel_type is None or not rel_type or "\0" in rel_type or not _fits(rel_type):
        return None
    relates_to = content["m.relates_to"]
    parent_id, key = relates_to.get("event_id"), relates_to.get("key")
    if not isinstance(parent_id, str):
        return None
    try:
        parent = parse_event_id(parent_id)
    except InvalidParam:
        return None
    return Relation(
        rel_type,
        parent,
        key if isinstance(key, str) else None,
        isinstance(content.get("m.new_content"), dict),
    )


def rel_type_of(content: Mapping[str, Any]) -> str | None:
    """Return the `rel_type` in an event's content, whether or not it points at anything."""
    relates_to = content.get("m.relates_to")
    rel_type = relates_to.get("rel_type") if isinstance(relates_to, dict) else None
    return rel_type if isinstance(rel_type, str) else None


def _fits(text: str) -> bool:
    try:
        return len(text.encode()) <= _REL_TYPE_BYTES_MAX
    except UnicodeEncodeError:  # a lone surrogate
        return False
