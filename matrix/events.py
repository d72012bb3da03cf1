"""An event of a room (PDU), parsed once and read many times."""

from collections.abc import Mapping
from typing import Any, Final

from matrix.identifiers import EventID, RoomID, UserID
from matrix.room_versions import RoomVersion

type_StateKey = tuple[str, str]


class Event:
    """A persistent data unit with its ID, its room version and the fields that rules read.

    Immutable by agreement: nobody changes `pdu` after construction. `pdu` is the object as it
    travels between servers (with `hashes` and `signatures`, without `unsigned`); `raw` its JSON.
    `auth_event_ids` and `prev_event_ids` are plain IDs in every room version.
    """

    __slots__ = (
        "auth_event_ids",
        "content",
        "depth",
        "event_id",
        "origin_server_ts",
        "pdu",
        "prev_event_ids",
        "raw",
        "room_id",
        "room_version",
        "sender",
        "state_key",
        "type",
    )

    event_id: Final[EventID]
    room_id: Final[RoomID]
    """In room version 12 the create event's own, derived from its ID."""
    type: Final[str]
    state_key: Final[str | None]
    sender: Final[UserID]
    content: Final[Mapping[str, Any]]
    origin_server_ts: Final[int]
    depth: Final[int]
    prev_event_ids: Final[tuple[EventID, ...]]
    auth_event_ids: Final[tuple[EventID, ...]]
    pdu: Final[Mapping[str, Any]]
    raw: Final[bytes]
    room_version: Final[RoomVersion]
