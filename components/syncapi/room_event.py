"""An event as client sync keeps it: its client JSON as bytes, and what readers ask of it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from matrix.canonical import decode_json, encode_canonical
from matrix.client_events import client_event_json
from matrix.events import Event
from matrix.push_rules.classes import class_of
from matrix.relations import THREAD, relation_of

NO_EFFECT: Final = 0
CHANGES_ITSELF: Final = 1
CHANGES_OTHERS: Final = 2

_REDACTED: Final = b'"redacted_because":'
"""How the `unsigned` of a redacted event begins."""


class RoomEvent(msgspec.Struct, gc=False):
    """One event. `stream_order` is None for state that was never in the timeline."""

    event_id: str
    room_id: str
    stream_order: int | None
    type: str
    sender: str
    state_key: str | None
    origin_server_ts: int
    history_visibility: str
    """`m.room.history_visibility` before the event."""
    json: bytes
    """Client form without `room_id` and `unsigned`."""
    unsigned: bytes
    """Members of `unsigned` that are the same for everybody, without the braces."""
    membership: str | None
    """`content.membership` of an `m.room.member` event."""
    replaces: str | None
    """The state event that this one replaced."""
    state_effect: int
    """Whether the event changed the current state: itself, or (also) other entries."""
    device_id: str | None
    """The sender's device, where the event was sent with a transaction ID."""
    transaction_id: str | None
    push_class: int
    """What it is to the predefined push rules; negative once it is redacted."""
    thread_root: str | None
    """Of the thread that it is in, directly or by what it relates to."""

    @property
    def order(self) -> int:
        """The place in the room's timeline, for events that are in it."""
        if self.stream_order is None:
            raise ValueError(f"{self.event_id} is not in the timeline.")
        return self.stream_order


class StateEntry(msgspec.Struct, gc=False):
    """What clients are told of an event that is state, and what decides whether they may be."""

    type: str
    sender: str
    state_key: str
    stream_order: int | None
    history_visibility: str
    json: bytes
    unsigned: bytes
    membership: str | None

    @property
    def order(self) -> int:
        """The place in the room's timeline, for events that are in it."""
        if self.stream_order is None:
            raise ValueError(f"{self.type} {self.state_key} is not in the timeline.")
        return self.stream_order


def room_event(event: Event, *, stream_order: int | None, history_visibility: str) -> RoomEvent:
    """Return the stored form of an event without effects on state."""
    return RoomEvent(
        event.event_id,
        event.room_id,
        stream_order,
        event.type,
        event.sender,
        event.state_key,
        event.origin_server_ts,
        history_visibility,
        client_event_json(event),
        b"",
        event.membership if event.state_key is not None else None,
        None,
        NO_EFFECT,
        None,
        None,
        class_of(event.type, event.state_key, event.content),
        None if event.state_key is not None else _thread_of(event.content),
    )


def _thread_of(content: Mapping[str, Any]) -> str | None:
    relation = relation_of(content) if "m.relates_to" in content else None
    return None if relation is None or relation.rel_type != THREAD else relation.parent_id


def unsigned_of_replacement(replaces: str, previous: Event | None) -> bytes:
    """Return the `unsigned` members of a state event that replaced another."""
    member = b'"replaces_state":' + orjson.dumps(replaces)
    if previous is None:
        return member
    return b'%b,"prev_content":%b,"prev_sender":%b' % (
        member,
        _dumps(previous.content),
        orjson.dumps(previous.sender),
    )


def keeps_membership(event: RoomEvent) -> bool:
    """Whether a member event leaves its user what they were, as far as it tells what it replaced.

    So it is with a new display name.
    """
    if event.membership is None or b'"prev_content"' not in event.unsigned:
        return False
    previous = decode_json(b"{" + event.unsigned + b"}").get("prev_content")
    return isinstance(previous, dict) and previous.get("membership") == event.membership


def is_redacted(event: RoomEvent) -> bool:
    """Whether a redaction was applied to the event."""
    return event.unsigned.startswith(_REDACTED)


def unsigned_of_redacted(room_id: str, redaction: Event, replaces: str | None) -> bytes:
    """Return the `unsigned` members of a redacted event."""
    because = b'%b%b,"room_id":%b}' % (
        _REDACTED,
        client_event_json(redaction)[:-1],
        orjson.dumps(room_id),
    )
    if replaces is None:
        return because
    return because + b',"replaces_state":' + orjson.dumps(replaces)


def previous_sender(event: RoomEvent) -> str | None:
    """Return who sent the event that this one replaced, as far as it tells."""
    if b'"prev_content"' not in event.unsigned:
        return None
    sender: str | None = decode_json(b"{" + event.unsigned + b"}").get("prev_sender")
    return sender


def with_prev_content(unsigned: bytes, content: Mapping[str, Any]) -> bytes:
    """Return `unsigned` with another `prev_content`, if it has one: what a redaction leaves."""
    members = decode_json(b"{" + unsigned + b"}")
    if "prev_content" not in members:
        return unsigned
    members["prev_content"] = content
    return _dumps(members)[1:-1]


def without_previous(unsigned: bytes) -> bytes:
    """Return `unsigned` without what the event replaced, but for its ID."""
    members = decode_json(b"{" + unsigned + b"}")
    kept = {key: members[key] for key in members if key not in {"prev_content", "prev_sender"}}
    return _dumps(kept)[1:-1]


def _dumps(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer over 64 bits in a room of version 1 to 5
        return encode_canonical(value)
