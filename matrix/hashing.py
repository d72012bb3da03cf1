"""Content hashes and reference hashes of events, and the event IDs made of them."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from matrix.canonical import encode_canonical
from matrix.errors import BadJson
from matrix.identifiers import EventID
from matrix.redaction import redact
from matrix.room_versions import EventIDFormat, RoomVersion
from matrix.unpadded_base64 import decode_base64, encode_base64, encode_base64_url_safe

_NOT_IN_CONTENT_HASH: Final = frozenset({"hashes", "signatures", "unsigned"})


def content_hash(pdu: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the whole event in unpadded Base64, as `hashes.sha256` holds it."""
    return encode_base64(_content_digest(pdu))


def has_valid_content_hash(pdu: Mapping[str, Any]) -> bool:
    """Whether `hashes.sha256` fits the event; if not, only its redacted copy may be used."""
    hashes = pdu.get("hashes")
    claimed = hashes.get("sha256") if isinstance(hashes, Mapping) else None
    if not isinstance(claimed, str):
        return False
    try:
        return decode_base64(claimed) == _content_digest(pdu)
    except BadJson:
        return False


def signing_bytes(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """Return the canonical JSON of the redacted event, without signatures.

    It is what servers sign, and what the reference hash covers.
    """
    redacted = redact(pdu, version)
    redacted.pop("signatures", None)
    return encode_canonical(redacted)


def reference_hash(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """Return the SHA-256 that identifies the event in a room of this version."""
    return sha256(signing_bytes(pdu, version)).digest()


def event_id_of(pdu: Mapping[str, Any], version: RoomVersion) -> EventID:
    """Return the ID of an event: its own field in room versions 1 and 2, else its hash.

    Raises `BadJson` if that field is missing.
    """
    if version.has_event_id_field:
        event_id = pdu.get("event_id")
        if not isinstance(event_id, str):
            raise BadJson("The event has no event_id.")
        return EventID(event_id)
    return event_id_of_hash(reference_hash(pdu, version), version)


def event_id_of_hash(digest: bytes, version: RoomVersion) -> EventID:
    """Return the event ID that a reference hash gives (room version 3 on)."""
    if version.event_id_format is EventIDFormat.HASH_STANDARD:
        return EventID("$" + encode_base64(digest))
    return EventID("$" + encode_base64_url_safe(digest))


def _content_digest(pdu: Mapping[str, Any]) -> bytes:
    hashed = {key: value for key, value in pdu.items() if key not in _NOT_IN_CONTENT_HASH}
    return sha256(encode_canonical(hashed)).digest()
