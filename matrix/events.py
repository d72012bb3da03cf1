"""An event of a room (PDU), parsed once and read many times."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from matrix.canonical import decode_json, encode_canonical
from matrix.errors import BadJson
from matrix.event_format import check_format
from matrix.hashing import event_id_of
from matrix.identifiers import EventID, RoomID, UserID
from matrix.kept_bytes import kept_bytes
from matrix.redaction import redact
from matrix.room_versions import RoomVersion

type_StateKey = tuple[str, str]  # noqa: N816 - others name it so


class Event:
    """A persistent data unit with its ID, its room version and the fields that rules read.

    Immutable by agreement: nobody changes `pdu` after construction. `pdu` is the object as it
    travels between servers (with `hashes` and `signatures`, without `unsigned`); `raw` its JSON.
    `auth_event_ids` and `prev_event_ids` are plain IDs in every room version.

    The constructor trusts the format of `pdu`; `parse_event` checks it. Without `event_id` or
    `raw` it computes them.
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

    def __init__(
        self,
        pdu: Mapping[str, Any],
        room_version: RoomVersion,
        event_id: EventID | None = None,
        raw: bytes | None = None,
    ) -> None:
        if event_id is None:
            event_id = event_id_of(pdu, room_version)
        self.event_id = event_id
        self.pdu = pdu
        self.raw = kept_bytes(encode_canonical(pdu)) if raw is None else raw
        self.room_version = room_version
        self.type = pdu["type"]
        self.state_key = pdu.get("state_key")
        self.sender = pdu["sender"]
        self.content = pdu["content"]
        self.origin_server_ts = pdu["origin_server_ts"]
        self.depth = pdu["depth"]
        prev_events, auth_events = pdu["prev_events"], pdu["auth_events"]
        if room_version.has_event_id_field:
            prev_events = [event_id for event_id, _ in prev_events]
            auth_events = [event_id for event_id, _ in auth_events]
        self.prev_event_ids = tuple(prev_events)
        self.auth_event_ids = tuple(auth_events)
        room_id = pdu.get("room_id")
        self.room_id = RoomID("!" + event_id[1:]) if room_id is None else room_id

    @property
    def is_state(self) -> bool:
        """Whether the event has a `state_key`."""
        return self.state_key is not None

    @property
    def state_tuple(self) -> type_StateKey:
        """The key under which a state event stands; only state events have one."""
        if self.state_key is None:
            raise ValueError(f"{self.event_id} is not a state event.")
        return self.type, self.state_key

    @property
    def membership(self) -> str | None:
        """The `membership` of an `m.room.member` event, if it is a string; else nothing."""
        if self.type != "m.room.member":
            return None
        membership = self.content.get("membership")
        return membership if isinstance(membership, str) else None

    def __repr__(self) -> str:
        return f"<Event {self.event_id} {self.type} {self.state_key!r} in {self.room_id}>"


def parse_event(
    pdu_json: bytes | Mapping[str, Any], version: RoomVersion, *, trusted: bool = False
) -> Event:
    """Return the event of a PDU, `unsigned` dropped and its ID computed.

    Checks the format of the room version and the sizes, unless it is `trusted`. Raises
    `NotJson`, `BadJson` or `TooLarge`. Neither hashes nor signatures are checked.
    """
    decoded = decode_json(pdu_json) if isinstance(pdu_json, bytes) else pdu_json
    if not isinstance(decoded, Mapping):
        raise BadJson("An event is a JSON object.")
    pdu = {key: value for key, value in decoded.items() if key != "unsigned"}
    if trusted:
        return Event(pdu, version)
    return Event(pdu, version, raw=check_format(pdu, version))


def load_event(raw: bytes, version: RoomVersion, event_id: EventID) -> Event:
    """Return an event from our own store, unchecked: `raw` as `Event.raw` gave it."""
    # Before room version 6 an integer may be too large for orjson, which would round it.
    pdu = orjson.loads(raw) if version.strict_canonical_json else decode_json(raw)
    return Event(pdu, version, event_id, raw)


def is_redaction(event: Event) -> bool:
    """Whether the event is an `m.room.redaction`; state of that type redacts nothing.

    Who may redact what is checked where redactions are sent. State of the type is sent by the
    level for state alone, which says nothing about redacting.
    """
    return event.type == "m.room.redaction" and not event.is_state


def redacts_of(event: Event) -> EventID | None:
    """Return the event which an `m.room.redaction` redacts, if it names one properly.

    It stands in `content` from room version 11 on, before that at the top level.
    """
    if not is_redaction(event):
        return None
    holder = event.content if event.room_version.redacts_in_content else event.pdu
    target = holder.get("redacts")
    return EventID(target) if isinstance(target, str) else None


def redacted_event(event: Event) -> Event:
    """Return the redacted copy of an event, under the same ID.

    It takes the place of an event whose content hash does not fit.
    """
    return Event(redact(event.pdu, event.room_version), event.room_version, event.event_id)
