"""Relations between events that a server refuses to make."""

from typing import Any

from internalapi.roomserver import RoomQueries
from matrix.errors import MatrixError
from matrix.identifiers import EventID


class ThreadRefused(MatrixError):
    """A thread cannot start at an event that is related to another one itself."""


class RelationChecks:
    """Checks what a message says of its relation to another event."""

    def __init__(self, rooms: RoomQueries) -> None:
        self._rooms = rooms

    async def check(self, relates_to: Any) -> None:
        """Raise `ThreadRefused` for a thread that starts inside a relation ("Threading")."""
        if _relation_type(relates_to) != "m.thread":
            return
        root_id = relates_to.get("event_id")
        if not isinstance(root_id, str):
            return
        stored = await self._rooms.query_events(event_ids=[EventID(root_id)])
        if stored and _relation_type(stored[0].event.content.get("m.relates_to")) is not None:
            raise ThreadRefused


def _relation_type(relates_to: Any) -> Any:
    return relates_to.get("rel_type") if isinstance(relates_to, dict) else None
