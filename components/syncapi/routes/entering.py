"""What the endpoints of one room begin with: who reads which room, and from which place."""

from collections.abc import Callable
from typing import Final

from base.http import Request
from components.syncapi.memory.freshness import Freshness
from components.syncapi.timeline.rendering import Reader
from components.syncapi.tokens import SyncTokens
from internalapi.userapi import Requester
from matrix.identifiers import RoomID, parse_room_id


class Entrance:
    """Lets readers into rooms, once what was written there before they asked can be read."""

    def __init__(
        self,
        *,
        freshness: Freshness,
        tokens: SyncTokens,
        now_ms: Callable[[], int],
        partition_of: Callable[[str], int],
    ) -> None:
        self._freshness: Final = freshness
        self._tokens: Final = tokens
        self._now_ms: Final = now_ms
        self._partition_of: Final = partition_of

    def reader(self, requester: Requester) -> Reader:
        """Return who reads, and when."""
        return Reader(requester.user_id, requester.device_id, self._now_ms())

    async def enter(self, request: Request, requester: Requester) -> tuple[Reader, RoomID]:
        """Return who reads which room, once what was written to it so far can be read."""
        room_id = parse_room_id(request.path["room_id"])
        await self._freshness.room(room_id)
        return self.reader(requester), room_id

    def place(self, request: Request, name: str, room_id: str) -> int | None:
        """Return the place in the room's timeline that a token of the query stands for."""
        token = request.query_str(name)
        if not token:
            return None
        return self._tokens.decode_place(token, self._partition_of(room_id))
