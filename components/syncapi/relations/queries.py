"""Answers what other components ask about relations between events."""

from functools import partial

from base.database import Database, DatabaseOutage
from components.syncapi.event_relation import annotation_digest
from components.syncapi.memory.freshness import Freshness
from components.syncapi.store.related import select_annotations
from logs.log import LogOutage
from matrix.errors import Unavailable
from matrix.identifiers import DeviceID, EventID, RoomID, UserID


class RelationQueries:
    """Client sync's `internalapi.syncapi.Relations`."""

    def __init__(self, database: Database, freshness: Freshness) -> None:
        self._database = database
        self._freshness = freshness

    async def query_has_annotated(
        self,
        *,
        room_id: RoomID,
        parent_id: EventID,
        sender: UserID,
        event_type: str,
        key: str,
        device_id: DeviceID,
        transaction_id: str,
    ) -> bool:
        """Return whether the sender has annotated the event so, in another transaction."""
        select = partial(
            select_annotations,
            room_id=room_id,
            parent_id=parent_id,
            sender=sender,
            annotation=annotation_digest(event_type, key),
        )
        try:
            await self._freshness.room(room_id)
            found = await self._database.read(select)
        except (DatabaseOutage, LogOutage) as outage:
            raise Unavailable("What was annotated cannot be read now.") from outage
        return any(sent != (device_id, transaction_id) for sent in found)
