"""Events as bytes for clients: the stored JSON with `unsigned` spliced in."""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
import orjson

from components.syncapi.room_event import RoomEvent, StateEntry, without_previous
from components.syncapi.timeline.visibility import Viewer
from matrix.filters import Filter

_JOINED: Final = b',"membership":"join"'
_MEMBERSHIPS: Final = {
    membership: b',"membership":"' + membership.encode() + b'"'
    for membership in ("join", "invite", "leave", "knock", "ban")
}


class Reader:
    """Who reads, from which device, and when: what `unsigned` depends on."""

    __slots__ = ("device_id", "now_ms", "user_id")

    def __init__(self, user_id: str, device_id: str, now_ms: int) -> None:
        self.user_id: Final = user_id
        self.device_id: Final = device_id
        self.now_ms: Final = now_ms

    def sent(self, event: RoomEvent) -> bool:
        """Whether this device sent the event, with a transaction ID that it knows it by."""
        return (
            event.transaction_id is not None
            and event.device_id == self.device_id
            and event.sender == self.user_id
        )


def render(
    event: RoomEvent,
    reader: Reader,
    *,
    membership: str | None = None,
    room_id: bytes = b"",
    relations: bytes = b"",
) -> bytes:
    """Return the JSON of an event for a reader.

    `membership` is the reader's at the event; `room_id` what `room_id_member` makes, for answers
    that don't tell the room otherwise; `relations` what `rooms.bundling` makes.
    """
    return b'%b%b,"unsigned":{"age":%d%b%b%b%b}}' % (
        event.json[:-1],
        room_id,
        max(reader.now_ms - event.origin_server_ts, 0),
        b"," + event.unsigned if event.unsigned else b"",
        b"" if membership is None else _MEMBERSHIPS.get(membership, b""),
        b',"transaction_id":' + orjson.dumps(event.transaction_id) if reader.sent(event) else b"",
        relations,
    )


def room_id_member(room_id: str) -> bytes:
    """Return the member `room_id`, to be spliced into events."""
    return b',"room_id":' + orjson.dumps(room_id)


def render_for_all(events: Iterable[RoomEvent], now_ms: int) -> bytes:
    """Return the JSON of events, comma between them, as every joined member sees them."""
    return b",".join(
        [
            b'%b,"unsigned":{"age":%d%b%b}}'
            % (
                event.json[:-1],
                max(now_ms - event.origin_server_ts, 0),
                b"," + event.unsigned if event.unsigned else b"",
                _JOINED,
            )
            for event in events
        ]
    )


State = TypeVar("State", RoomEvent, StateEntry)


def render_state(events: Iterable[RoomEvent | StateEntry], room_id: bytes) -> bytes:
    """Return the JSON of state events, comma between them, without what depends on a reader."""
    return b",".join(
        [b'%b%b,"unsigned":{%b}}' % (event.json[:-1], room_id, event.unsigned) for event in events]
    )


def joined_parts(head: bytes, parts: list[bytes], end: bytes) -> list[bytes]:
    """Return the parts of an answer, comma between them."""
    joined = [head]
    for part in parts:
        if len(joined) > 1:
            joined.append(b",")
        joined.append(part)
    joined.append(end)
    return joined


def with_known_past(events: Iterable[State], viewer: Viewer) -> list[State]:
    """Return state events, without what they replaced where the viewer was not a member yet.

    Who is in a room has all of its state, also what was set before they came. What was in its
    place still earlier may be hidden from them, or be of a user who is erased.
    """
    return [
        event
        if b'"prev_content"' not in event.unsigned
        or event.stream_order is None
        or viewer.sees_all_from(event.order, is_restricted=True)
        else msgspec.structs.replace(event, unsigned=without_previous(event.unsigned))
        for event in events
    ]


def content_of(event: RoomEvent | StateEntry) -> dict[str, Any]:
    """Return the content of an event."""
    content: dict[str, Any] = orjson.loads(event.json)["content"]
    return content


def select_fields(event_json: bytes, wanted: Filter) -> bytes:
    """Return the JSON of an event with the fields that the filter asks for.

    Where whole events are asked for, the fields are theirs: see `sync.federation_format`.
    """
    if wanted.event_fields is None or wanted.event_format == "federation":
        return event_json
    return orjson.dumps(wanted.select_fields(orjson.loads(event_json)))
