"""What has to be known of events that users mark as read."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from cachetools import LRUCache

from internalapi.roomserver import RoomQueries, StoredEvent
from matrix.errors import InvalidParam
from matrix.identifiers import EventID, RoomID, parse_event_id

_REMEMBERED_EVENTS: Final = 5_000


class ReadableEvent(msgspec.Struct, frozen=True):
    """An event in the timeline of a room: the part that never changes."""

    room_id: RoomID
    depth: int
    relation: str | None
    """Its `rel_type`, if it has one and a parent."""
    parent_id: EventID | None
    is_redacted: bool
    """Whether its relation may be lost; one that is redacted later keeps what is known."""


class ReadableEvents:
    """Events by ID: those that many mark from memory, the others by as few queries as possible."""

    def __init__(self, rooms: RoomQueries) -> None:
        self._rooms = rooms
        self._known: LRUCache[EventID, ReadableEvent] = LRUCache(_REMEMBERED_EVENTS)
        self._wanted: set[EventID] = set()
        self._asking: asyncio.Task[Mapping[EventID, ReadableEvent]] | None = None

    async def find(self, event_ids: Collection[EventID]) -> Mapping[EventID, ReadableEvent]:
        """Return at least those of the events that stand in the timeline of a room."""
        known = self._known
        found = {one: known[one] for one in event_ids if one in known}
        if len(found) == len(event_ids):
            return found
        self._wanted.update(one for one in event_ids if one not in found)
        # Requests that come at the same moment share a query: most of its cost is not its size.
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return {**found, **await asyncio.shield(self._asking)}

    async def _ask(self) -> Mapping[EventID, ReadableEvent]:
        wanted, self._wanted, self._asking = self._wanted, set(), None
        found = {
            stored.event.event_id: _readable(stored)
            for stored in await self._rooms.query_events(event_ids=list(wanted))
            if not (stored.is_rejected or stored.is_soft_failed or stored.is_outlier)
        }
        self._known.update(found)
        return found


def _readable(stored: StoredEvent) -> ReadableEvent:
    event = stored.event
    relation, parent_id = _relation(event.content.get("m.relates_to"))
    is_redacted = stored.redacted_because is not None
    return ReadableEvent(event.room_id, event.depth, relation, parent_id, is_redacted)


def _relation(relates_to: Any) -> tuple[str | None, EventID | None]:
    """Return the type and the parent of a relation; anything may stand in an event's content."""
    if not isinstance(relates_to, dict):
        return None, None
    relation, parent_id = relates_to.get("rel_type"), relates_to.get("event_id")
    if not isinstance(relation, str) or not isinstance(parent_id, str):
        return None, None
    try:
        return relation, parse_event_id(parent_id)
    except InvalidParam:
        return None, None
