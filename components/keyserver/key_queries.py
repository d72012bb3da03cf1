"""Answers for keys and gives one-time keys away (`internalapi.keyserver.UserKeys`)."""

from typing import Final

from base.database import Connection, Database, DatabaseOutage
from components.keyserver.claiming import Claimed, Wanted, claim_keys
from components.keyserver.key_changes import KeyAnnouncements
from components.keyserver.shown_keys import read_keys
from internalapi.keyserver import FoundKeys
from matrix.errors import Unavailable
from matrix.identifiers import DeviceID, UserID


class KeyQueries:
    """Keys of local users, from the database: any replica knows all."""

    def __init__(self, database: Database, announcements: KeyAnnouncements) -> None:
        self._database: Final = database
        self._announcements: Final = announcements

    async def query_keys(
        self, *, wanted: dict[UserID, list[DeviceID]], requester: UserID | None
    ) -> FoundKeys:
        """Return identity keys of devices, and cross-signing keys."""
        try:
            return await self._database.read(
                lambda connection: read_keys(connection, wanted, requester)
            )
        except DatabaseOutage as outage:
            raise Unavailable("Keys cannot be read now.") from outage

    async def perform_claim(self, *, wanted: Wanted) -> Claimed:
        """Take a one-time key of each device, or give its fallback key.

        What is taken is taken durably when this returns. How many are left is announced soon: it is
        news for the owners of the devices alone.
        """

        def claim(connection: Connection) -> Claimed:
            claimed, changed = claim_keys(connection, wanted)
            self._announcements.put_all(connection, changed)
            return claimed

        try:
            return await self._announcements.commit(claim)
        except DatabaseOutage as outage:
            raise Unavailable("Keys cannot be claimed now.") from outage
