"""The building of our own events: hashed, signed, identified and encoded in one pass."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from matrix.canonical import (
    MAX_NESTING,
    check_strict,
    encode_canonical,
    encode_strict,
    nests_deeper_than,
)
from matrix.errors import BadJson
from matrix.event_format import (
    MAX_AUTH_EVENTS,
    MAX_PREV_EVENTS,
    check_event_size,
    check_field_sizes,
)
from matrix.events import Event
from matrix.hashing import event_id_of_hash
from matrix.identifiers import EventID, RoomID
from matrix.kept_bytes import kept_bytes
from matrix.redaction import redact
from matrix.room_versions import RoomVersion
from matrix.signing import SigningKey
from matrix.unpadded_base64 import encode_base64

_NO_HASHES: Final[Mapping[EventID, str]] = {}


def build_event(
    *,
    version: RoomVersion,
    room_id: RoomID | None,
    type: str,  # noqa: A002 - the field's name
    sender: str,
    content: Mapping[str, Any],
    origin_server_ts: int,
    depth: int,
    prev_events: Sequence[EventID],
    auth_events: Sequence[EventID],
    server_name: str,
    key: SigningKey,
    state_key: str | None = None,
    redacts: EventID | None = None,
    event_id_suffix: str | None = None,
    reference_hashes: Mapping[EventID, str] = _NO_HASHES,
) -> Event:
    """Return a new event of our own, hashed and signed.

    `room_id` is None for the create event of a room of version 12, which makes it. `redacts`
    goes where the room version wants it. Room versions 1 and 2 need `event_id_suffix`, the
    opaque part of the event ID, and `reference_hashes` of all events referred to (standard
    unpadded Base64 of SHA-256). The event keeps `content` itself, which nobody may change.

    Raises `BadJson` if the content has no canonical JSON, `EventSizeExceeded` if the event or
    a field of it is too large.
    """
    if redacts is not None and version.redacts_in_content:
        content = {**content, "redacts": redacts}
    content_json = _encode_content(content, version)
    # In the order of canonical JSON, so that the encoder finds little to sort.
    pdu: dict[str, Any] = {
        "auth_events": _references(auth_events, MAX_AUTH_EVENTS, version, reference_hashes),
        "content": content,
        "depth": depth,
    }
    if version.has_event_id_field:
        if event_id_suffix is None:
            raise ValueError(f"Room version {version.identifier} needs an event ID.")
        pdu["event_id"] = f"${event_id_suffix}:{server_name}"
    pdu["origin_server_ts"] = origin_server_ts
    pdu["prev_events"] = _references(prev_events, MAX_PREV_EVENTS, version, reference_hashes)
    if redacts is not None and not version.redacts_in_content:
        pdu["redacts"] = redacts
    if room_id is not None:
        pdu["room_id"] = room_id
    pdu["sender"] = sender
    if state_key is not None:
        pdu["state_key"] = state_key
    pdu["type"] = type
    check_field_sizes(pdu, version)
    return _seal(pdu, content_json, version, server_name, key)


def _seal(
    pdu: dict[str, Any],
    content_json: bytes,
    version: RoomVersion,
    server_name: str,
    key: SigningKey,
) -> Event:
    """Hash, sign and encode a PDU that is complete but for `hashes` and `signatures`.

    The content, which may be large, is encoded once and spliced in as bytes.
    """
    content = pdu["content"]
    pdu["content"] = orjson.Fragment(content_json)
    pdu["hashes"] = {"sha256": encode_base64(sha256(encode_strict(pdu)).digest())}
    pdu["content"] = content
    redacted = redact(pdu, version)
    signed = (
        encode_strict(redacted) if version.strict_canonical_json else encode_canonical(redacted)
    )
    pdu["signatures"] = {server_name: {key.key_id: key.sign(signed)}}
    pdu["content"] = orjson.Fragment(content_json)
    raw = kept_bytes(encode_strict(pdu))
    check_event_size(raw)
    pdu["content"] = content
    if version.has_event_id_field:
        return Event(pdu, version, pdu["event_id"], raw)
    return Event(pdu, version, event_id_of_hash(sha256(signed).digest(), version), raw)


def _encode_content(content: Mapping[str, Any], version: RoomVersion) -> bytes:
    # The event around it is one more level.
    if version.strict_canonical_json:
        check_strict(content, max_depth=MAX_NESTING - 1)
        return encode_strict(content)
    if nests_deeper_than(content, MAX_NESTING - 1):
        raise BadJson("The event nests too deeply.")
    return encode_canonical(content)


def _references(
    event_ids: Sequence[EventID],
    limit: int,
    version: RoomVersion,
    reference_hashes: Mapping[EventID, str],
) -> list[Any]:
    if len(event_ids) > limit:
        raise BadJson(f"An event refers to at most {limit} events here.")
    if not version.has_event_id_field:
        return list(event_ids)
    return [[event_id, {"sha256": reference_hashes[event_id]}] for event_id in event_ids]
