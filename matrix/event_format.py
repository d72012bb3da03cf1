"""The format of PDUs: which fields of which types and sizes, by room version."""

from collections.abc import Mapping
from typing import Any, Final

from matrix.canonical import (
    MAX_INTEGER,
    MAX_NESTING,
    check_strict,
    encode_canonical,
    encode_strict,
    nests_deeper_than,
)
from matrix.errors import BadJson, TooLarge
from matrix.identifiers import is_room_id_of_hash, is_user_id
from matrix.kept_bytes import kept_bytes
from matrix.room_versions import RoomVersion

MAX_EVENT_BYTES: Final = 65_536
MAX_FIELD_BYTES: Final = 255
MAX_PREV_EVENTS: Final = 20
MAX_AUTH_EVENTS: Final = 10
_MAX_INT64: Final = 2**63 - 1
_SIZED_FIELDS: Final = ("event_id", "room_id", "sender", "state_key", "type")


class EventSizeExceeded(TooLarge):
    """The event, or a field of it, is larger than events may be."""


def depth_after(depth: int, version: RoomVersion) -> int:
    """Return the depth of an event whose deepest prev event has this one.

    At the limit depth stays: a server that sends an event of the greatest depth would otherwise
    leave nothing that may follow it.
    """
    return min(depth + 1, _greatest_integer(version))


def check_format(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """Return the canonical JSON of a PDU of the right format.

    Raises `BadJson`, or `EventSizeExceeded` where something is too long.
    """
    _check_fields(pdu)
    _check_identifiers(pdu, version)
    _check_numbers(pdu, version)
    _check_references(pdu, "prev_events", MAX_PREV_EVENTS, version)
    _check_references(pdu, "auth_events", MAX_AUTH_EVENTS, version)
    check_field_sizes(pdu, version)
    return encode_checked(pdu, version)


def encode_checked(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """Return the canonical JSON of a whole PDU, its numbers, nesting and size checked."""
    if version.strict_canonical_json:
        check_strict(pdu)
        raw = encode_strict(pdu)
    else:
        if nests_deeper_than(pdu, MAX_NESTING):
            raise BadJson("The event nests too deeply.")
        raw = encode_canonical(pdu)
    check_event_size(raw)
    return kept_bytes(raw)


def check_event_size(raw: bytes) -> None:
    """Raise `EventSizeExceeded` if the canonical JSON of an event is too long."""
    if len(raw) > MAX_EVENT_BYTES:
        raise EventSizeExceeded(f"The event is larger than {MAX_EVENT_BYTES} bytes.")


def check_field_sizes(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    """Raise `EventSizeExceeded` if an identifier, the type or the state key is too long.

    Rooms before version 11 hold events with up to 255 characters of more than one byte.
    """
    for name in _SIZED_FIELDS:
        value = pdu.get(name)
        if value is None:
            continue
        size = len(value)
        if version.updated_redaction_rules and not value.isascii():
            size = len(value.encode("utf-8", "surrogatepass"))
        if size > MAX_FIELD_BYTES:
            raise EventSizeExceeded(f"{name} is larger than {MAX_FIELD_BYTES} bytes.")
        if "\0" in value:
            raise BadJson(f"{name} holds a NUL.")


def _check_fields(pdu: Mapping[str, Any]) -> None:
    for name in ("type", "sender"):
        if type(pdu.get(name)) is not str:
            raise BadJson(f"{name} is not a string.")
    for name in ("content", "hashes", "signatures"):
        if type(pdu.get(name)) is not dict:
            raise BadJson(f"{name} is not an object.")
    if "state_key" in pdu and type(pdu["state_key"]) is not str:
        raise BadJson("state_key is not a string.")
    if type(pdu["hashes"].get("sha256")) is not str:
        raise BadJson("hashes holds no sha256.")
    _check_signatures(pdu["signatures"])


def _check_signatures(signatures: Mapping[str, Any]) -> None:
    for by_key in signatures.values():
        if type(by_key) is not dict:
            raise BadJson("signatures is not an object of objects.")
        if not all(type(signature) is str for signature in by_key.values()):
            raise BadJson("A signature is not a string.")


def _check_identifiers(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    if not is_user_id(pdu["sender"]):
        raise BadJson("sender is not a user ID.")
    if version.has_event_id_field:
        event_id = pdu.get("event_id")
        _check_event_id(event_id)
        if ":" not in str(event_id):
            raise BadJson("event_id names no server.")
    elif "event_id" in pdu and type(pdu["event_id"]) is not str:
        raise BadJson("event_id is not a string.")
    if version.create_event_is_room_id and pdu["type"] == "m.room.create":
        if "room_id" in pdu:
            raise BadJson("A create event of this room version has no room_id.")
        return
    room_id = pdu.get("room_id")
    if type(room_id) is not str or not room_id.startswith("!"):
        raise BadJson("room_id is not a room ID.")
    if version.create_event_is_room_id and not is_room_id_of_hash(room_id):
        raise BadJson("room_id is not the hash of a create event.")


def _check_numbers(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    greatest = _greatest_integer(version)
    depth = pdu.get("depth")
    if type(depth) is not int or not 0 <= depth <= greatest:
        raise BadJson("depth is not an integer in its range.")
    timestamp = pdu.get("origin_server_ts")
    if type(timestamp) is not int or not -greatest <= timestamp <= greatest:
        raise BadJson("origin_server_ts is not an integer in its range.")


def _greatest_integer(version: RoomVersion) -> int:
    return MAX_INTEGER if version.strict_canonical_json else _MAX_INT64


def _check_references(pdu: Mapping[str, Any], name: str, limit: int, version: RoomVersion) -> None:
    references = pdu.get(name)
    if type(references) is not list:
        raise BadJson(f"{name} is not an array.")
    if len(references) > limit:
        raise BadJson(f"{name} holds more than {limit} events.")
    for reference in references:
        if not version.has_event_id_field:
            _check_event_id(reference)
        elif type(reference) is list and len(reference) == 2 and type(reference[1]) is dict:  # noqa: PLR2004 - ID and hashes
            _check_event_id(reference[0])
        else:
            raise BadJson(f"{name} holds something else than pairs of event ID and hashes.")


def _check_event_id(value: object) -> None:
    if type(value) is not str or not value.startswith("$") or "\0" in value:
        raise BadJson("An event ID is not an event ID.")
    if len(value) > MAX_FIELD_BYTES:
        raise EventSizeExceeded("An event ID is too long.")
