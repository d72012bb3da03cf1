"""A relation of an event of the timeline to its parent, as client sync keeps it."""

from hashlib import blake2b
from typing import Final

import msgspec

from components.syncapi.room_event import RoomEvent
from matrix.relations import ANNOTATION, REPLACE, Relation

_DIGEST_BYTES: Final = 16
_FIELD_BYTES_MAX: Final = 255
_LATEST_MS: Final = 2**63 - 1


class EventRelation(msgspec.Struct, gc=False):
    """One child with its parent, and the parents of that one as far as they are known."""

    event_id: str
    room_id: str
    parent_id: str
    grandparent_id: str | None
    great_grandparent_id: str | None
    rel_type: str
    type: str
    sender: str
    stream_order: int
    is_restricted: int
    """1 where not every member of the room may see the child, whenever they joined."""
    edit_rank: bytes | None
    """The greatest of an event's edits is the one that counts; none for what is no valid edit."""
    annotation: bytes | None
    """Equal for annotations of one type with one key."""


def event_relation(event: RoomEvent, relation: Relation) -> EventRelation:
    """Return the relation of an event that is in the timeline, its ancestors still unknown."""
    return EventRelation(
        event.event_id,
        event.room_id,
        relation.parent_id,
        None,
        None,
        relation.rel_type,
        event.type,
        event.sender,
        event.order,
        int(event.history_visibility in {"invited", "joined"}),
        _edit_rank(event, relation),
        None
        if relation.rel_type != ANNOTATION or relation.key is None
        else annotation_digest(event.type, relation.key),
    )


def annotation_digest(event_type: str, key: str) -> bytes:
    """Return what stands for an annotation's type and key, whose key may be of any length."""
    text = f"{len(event_type)}:{event_type}{key}"
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _edit_rank(event: RoomEvent, relation: Relation) -> bytes | None:
    """Return bytes that order edits by time, then by event ID ("Event replacements").

    Whether sender and type are those of the parent is asked where the parent is known.
    """
    if relation.rel_type != REPLACE or event.state_key is not None:
        return None
    # What replaces is in the encrypted payload, if there it is.
    if not relation.has_new_content and event.type != "m.room.encrypted":
        return None
    # Old rooms may hold longer ones, too long for an index.
    if len(event.type.encode()) > _FIELD_BYTES_MAX or len(event.sender.encode()) > _FIELD_BYTES_MAX:
        return None
    at_ms = min(max(event.origin_server_ts, 0), _LATEST_MS)
    return at_ms.to_bytes(8, "big") + event.event_id.encode()
