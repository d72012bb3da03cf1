"""Answers what other components ask about who may see which events."""

from collections.abc import Collection
from functools import partial

from base.database import Connection, Database, DatabaseOutage
from components.syncapi.memory.freshness import Freshness
from components.syncapi.store.events import select_events
from components.syncapi.timeline.access import require_access
from logs.log import LogOutage
from matrix.errors import Forbidden, Unavailable
from matrix.identifiers import EventID, RoomID, UserID


class VisibilityQueries:
    """Client sync's `internalapi.syncapi.EventVisibility`."""

    def __init__(self, database: Database, freshness: Freshness) -> None:
        self._database = database
        self._freshness = freshness

    async def query_visible(
        self, *, room_id: RoomID, user_id: UserID, event_ids: list[EventID]
    ) -> list[EventID]:
        """Return those of the events that stand in the room and that the user may see."""
        select = partial(_select_visible, room_id=room_id, user_id=user_id, event_ids=event_ids)
        try:
            await self._freshness.room(room_id)
            return await self._database.read(select)
        except (DatabaseOutage, LogOutage) as outage:
            raise Unavailable("Who may see what cannot be read now.") from outage


def _select_visible(
    connection: Connection, *, room_id: RoomID, user_id: UserID, event_ids: Collection[EventID]
) -> list[EventID]:
    try:
        access = require_access(connection, user_id, room_id)
    except Forbidden:
        return []
    found = select_events(connection, event_ids)
    return [
        event_id
        for event_id in event_ids
        if (event := found.get(event_id)) is not None
        and event.room_id == room_id
        and access.may_see(event)
    ]
