"""Identifiers of users, rooms, events and servers, and their grammars."""

import re
from typing import Final, NewType, TypeGuard

from matrix.errors import InvalidParam

UserID = NewType("UserID", str)
RoomID = NewType("RoomID", str)
RoomAlias = NewType("RoomAlias", str)
EventID = NewType("EventID", str)
DeviceID = NewType("DeviceID", str)
ServerName = NewType("ServerName", str)
KeyID = NewType("KeyID", str)
"""`algorithm:version`, as in `ed25519:a1`."""

MAX_IDENTIFIER_BYTES: Final = 255

_SERVER_NAME: Final = r"(?:[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
_HASH: Final = r"[A-Za-z0-9_-]{43}"
_server_name: Final = re.compile(_SERVER_NAME)
# Localparts of earlier days hold anything but a colon and NUL, and may be empty.
_user_id: Final = re.compile(rf"@[^:\0]*:{_SERVER_NAME}", re.DOTALL)
_room_id: Final = re.compile(rf"![^:\0]+:{_SERVER_NAME}|!{_HASH}", re.DOTALL)
_room_id_of_hash: Final = re.compile(rf"!{_HASH}")
_room_alias: Final = re.compile(rf"#[^:\0]+:{_SERVER_NAME}", re.DOTALL)
# Opaque: who asks for an event that cannot exist shall hear that it does not.
_event_id: Final = re.compile(r"\$[^\0]+", re.DOTALL)
_new_localpart: Final = re.compile(r"[a-z0-9._=/+-]+")


def parse_user_id(text: str) -> UserID:
    """Return `text` as a user ID, or raise `InvalidParam`; historical ones are accepted."""
    if _user_id.fullmatch(text) is None or not _fits(text):
        raise InvalidParam("This is not a user ID.")
    return UserID(text)


def is_user_id(value: object) -> TypeGuard[UserID]:
    """Whether `value` is a string which `parse_user_id` accepts."""
    return isinstance(value, str) and _user_id.fullmatch(value) is not None and _fits(value)


def parse_room_id(text: str) -> RoomID:
    """Return `text` as a room ID, or raise `InvalidParam`.

    Both forms are accepted: `!opaque:domain`, and the hash of room version 12.
    """
    if _room_id.fullmatch(text) is None or not _fits(text):
        raise InvalidParam("This is not a room ID.")
    return RoomID(text)


def is_room_id_of_hash(text: str) -> bool:
    """Whether `text` is a room ID of room version 12: `!` and a reference hash."""
    return _room_id_of_hash.fullmatch(text) is not None


def parse_event_id(text: str) -> EventID:
    """Return `text` as an event ID of any room version, or raise `InvalidParam`."""
    if _event_id.fullmatch(text) is None or not _fits(text):
        raise InvalidParam("This is not an event ID.")
    return EventID(text)


def parse_room_alias(text: str) -> RoomAlias:
    """Return `text` as a room alias, or raise `InvalidParam`."""
    if _room_alias.fullmatch(text) is None or not _fits(text):
        raise InvalidParam("This is not a room alias.")
    return RoomAlias(text)


def parse_server_name(text: str) -> ServerName:
    """Return `text` as a server name (appendices, "Server Name"), or raise `InvalidParam`."""
    if _server_name.fullmatch(text) is None or not _fits(text):
        raise InvalidParam("This is not a server name.")
    return ServerName(text)


def server_of(identifier: str) -> ServerName:
    """Return the server name of a user ID, a room alias, or an event ID with a domain.

    Raises `InvalidParam` if there is none. Room IDs have none that means anything.
    """
    _, colon, server_name = identifier.partition(":")
    if not colon or not server_name:
        raise InvalidParam("The identifier names no server.")
    return ServerName(server_name)


def localpart_of(user_id: str) -> str:
    """Return what stands between the sigil and the colon of a user ID or alias."""
    return user_id[1:].partition(":")[0]


def is_valid_new_localpart(text: str) -> bool:
    """Whether a new user may be called this (today's grammar; the whole ID's length apart)."""
    return _new_localpart.fullmatch(text) is not None and len(text) < MAX_IDENTIFIER_BYTES


def _fits(text: str) -> bool:
    """Whether `text` is valid UTF-8 of at most 255 bytes: lone surrogates are not."""
    if text.isascii():
        return len(text) <= MAX_IDENTIFIER_BYTES
    try:
        return len(text.encode()) <= MAX_IDENTIFIER_BYTES
    except UnicodeEncodeError:
        return False
