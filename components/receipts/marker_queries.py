"""Answers where users' markers stand."""

from typing import Final

from base.database import Database, DatabaseOutage
from components.receipts.receipts import ReceiptName
from components.receipts.store import select_receipts
from matrix.errors import Unavailable
from matrix.identifiers import EventID, RoomID, UserID


class MarkerQueries:
    """`internalapi.receipts.FullyReadMarkers`, from the database: any replica knows all."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    async def query_fully_read(self, *, user_id: UserID, room_id: RoomID) -> EventID | None:
        """Return up to which event the user has read the room."""
        name = ReceiptName(room_id, user_id, "m.fully_read", "")
        try:
            found = await self._database.read(
                lambda connection: select_receipts(connection, [name])
            )
        except DatabaseOutage as outage:
            raise Unavailable("Fully-read markers cannot be read now.") from outage
        return EventID(found[name].event_id) if name in found else None
