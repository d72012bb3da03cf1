"""Answers of /sync with events as other servers know them (`event_format`, "Filtering").

Client sync keeps events as clients usually want them. The few who ask for the other form get
the events of their answer from the room server, which has them whole.
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from components.syncapi.streams.request import FORMER_STATE_AFTER, STATE, STATE_AFTER
from internalapi.roomserver import EventQueries, StoredEvent
from matrix.canonical import encode_canonical
from matrix.filters import Filter
from matrix.identifiers import EventID
from matrix.redaction import redact

_AT_ONCE: Final = 500
_LISTS: Final = ("timeline", STATE, STATE_AFTER, FORMER_STATE_AFTER)


class FederationFormat:
    """Turns the events of answers into what they are between servers."""

    def __init__(self, rooms: EventQueries) -> None:
        self._rooms: Final = rooms

    async def converted(self, body: bytes, wanted: Filter) -> bytes:
        """Return an answer of /sync with whole events, or what `event_fields` leaves of them.

        `event_id`, which newer room versions leave out, and `unsigned` are as they were. An
        event that the room server does not know stays as it is.
        """
        answer = orjson.loads(body)
        lists = list(_events_in(answer))
        event_ids = [EventID(event["event_id"]) for events in lists for event in events]
        stored: dict[str, StoredEvent] = {}
        for start in range(0, len(event_ids), _AT_ONCE):
            some = event_ids[start : start + _AT_ONCE]
            for one in await self._rooms.query_events(event_ids=some):
                stored[one.event.event_id] = one
        for events in lists:
            whole = [_whole(event, stored.get(event["event_id"])) for event in events]
            events[:] = [dict(wanted.select_fields(event)) for event in whole]
        return _encode(answer)


def _events_in(answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    for section in ("join", "leave"):
        for room in answer["rooms"].get(section, {}).values():
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


def _encode(answer: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(answer)
    except TypeError:  # an integer over 64 bits in a room of version 1 to 5
        return encode_canonical(answer)
