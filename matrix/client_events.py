"""Events as clients see them: without the graph, hashes and signatures (client-server API)."""

from collections.abc import Mapping
from typing import Any

import orjson

from matrix.canonical import encode_canonical
from matrix.events import Event, redacts_of
from matrix.identifiers import EventID
from matrix.kept_bytes import kept_bytes
from matrix.redaction import redact_content


def client_event(event: Event, *, with_room_id: bool = True) -> dict[str, Any]:
    """Return the client form of an event, without `unsigned`."""
    return _client_form(event, event.content, redacts_of(event), with_room_id=with_room_id)


def client_event_json(event: Event) -> bytes:
    """Return the JSON of the client form, without `room_id` and `unsigned`.

    It is an object that is never empty and ends in `}`: who knows the rest puts
    `,"room_id":…,"unsigned":{…}` before that brace.
    """
    return _encode(_client_form(event, event.content, redacts_of(event), with_room_id=False))


def redacted_client_event(event: Event, *, with_room_id: bool = True) -> dict[str, Any]:
    """Return the client form of what a redaction leaves of the event."""
    content = redact_content(event.type, event.content, event.room_version)
    # Before room version 11 `redacts` stands at the top level, and does not survive there.
    target = redacts_of(event) if event.room_version.redacts_in_content else None
    return _client_form(event, content, target, with_room_id=with_room_id)


def redacted_client_event_json(event: Event) -> bytes:
    """Return the JSON of the redacted client form, as `client_event_json` does."""
    return _encode(redacted_client_event(event, with_room_id=False))


def stripped_state(event: Event) -> dict[str, Any]:
    """Return the stripped form of a state event, as invites and knocks carry it."""
    return {
        "content": event.content,
        "sender": event.sender,
        "state_key": event.state_key,
        "type": event.type,
    }


def _client_form(
    event: Event, content: Mapping[str, Any], redacts: EventID | None, *, with_room_id: bool
) -> dict[str, Any]:
    form: dict[str, Any] = {
        "content": content,
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts,
        "sender": event.sender,
        "type": event.type,
    }
    if event.state_key is not None:
        form["state_key"] = event.state_key
    if redacts is not None:
        # Old clients look at the top level and new ones into `content`, in any room version.
        form["redacts"] = redacts
        form["content"] = {**content, "redacts": redacts}
    if with_room_id:
        form["room_id"] = event.room_id
    return form


def _encode(form: Mapping[str, Any]) -> bytes:
    try:
        return kept_bytes(orjson.dumps(form))
    except TypeError:  # an integer over 64 bits in a room of version 1 to 5
        return encode_canonical(form)
