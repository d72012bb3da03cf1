"""Answers of /sync with events as other servers know them (`event_format`, "Filtering").

Client sync keeps events as clients usually want them. The few who ask for the other form get
the events of their answer from the room server, which has them whole.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from base.slices import Slices
from components.syncapi.streams.request import FORMER_STATE_AFTER, STATE, STATE_AFTER
from internalapi.roomserver import EventQueries, StoredEvent
from matrix.canonical import encode_canonical
from matrix.filters import Filter
from matrix.identifiers import EventID
from matrix.redaction import redact

_AT_ONCE: Final = 500
_LISTS: Final = ("timeline", STATE, STATE_AFTER, FORMER_STATE_AFTER)


Room = tuple[str, dict[str, Any]]


class FederationFormat:
    """Turns the events of answers into what they are between servers."""

    def __init__(self, rooms: EventQueries, slices: Slices) -> None:
        self._rooms: Final = rooms
        self._slices: Final = slices

    async def converted(
        self, parts: Sequence[tuple[str, bytes]], wanted: Filter
    ) -> list[tuple[str, bytes]]:
        """Return the parts of rooms with whole events, or what `event_fields` leaves of them.

        `event_id`, which newer room versions leave out, and `unsigned` are as they were. An
        event that the room server does not know stays as it is.
        """
        done: list[tuple[str, bytes]] = []
        some: list[Room] = []
        event_ids: list[EventID] = []
        for room_id, part in parts:
            await self._slices.next()
            room = orjson.loads(part)
            some.append((room_id, room))
            event_ids += [event["event_id"] for events in _events_in(room) for event in events]
            if len(event_ids) >= _AT_ONCE:
                done += await self._converted(some, event_ids, wanted)
                some, event_ids = [], []
        return done + await self._converted(some, event_ids, wanted)

    async def _converted(
        self, rooms: Sequence[Room], event_ids: Sequence[EventID], wanted: Filter
    ) -> list[tuple[str, bytes]]:
        stored: dict[str, StoredEvent] = {}
        for start in range(0, len(event_ids), _AT_ONCE):
            some = list(event_ids[start : start + _AT_ONCE])
            for one in await self._rooms.query_events(event_ids=some):
                stored[one.event.event_id] = one
        done = []
        for room_id, room in rooms:
            for events in _events_in(room):
                await self._slices.next()
                whole = [_whole(event, stored.get(event["event_id"])) for event in events]
                events[:] = [dict(wanted.select_fields(event)) for event in whole]
            done.append((room_id, _encode(room)))
        return done


def _events_in(room: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    for name in _LISTS:
        if name in room:
            yield room[name]["events"]


def _whole(event: dict[str, Any], stored: StoredEvent | None) -> dict[str, Any]:
    if stored is None:
        return event
    pdu = stored.event.pdu
    content = dict(event["content"])
    if event["type"] == "m.room.redaction" and "redacts" not in pdu["content"]:
        content.pop("redacts", None)
    # What an erased user wrote is not shown to everybody.
    shown = pdu if content == pdu["content"] else redact(pdu, stored.event.room_version)
    return {**shown, "event_id": event["event_id"], "unsigned": event["unsigned"]}


def _encode(room: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(room)
    except TypeError:  # an integer over 64 bits in a room of version 1 to 5
        return encode_canonical(room)
