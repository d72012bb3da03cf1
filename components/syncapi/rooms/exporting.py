"""Everything of rooms that one user may read, page by page, as /messages and /state show it."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final, TypeVar

from base.database import Connection, Database
from components.syncapi.rooms.reading import read_state
from components.syncapi.store.membership import select_rooms_of_user_before
from components.syncapi.timeline.access import require_access
from components.syncapi.timeline.paging import FROM_THE_START, TO_THE_END, Range, select_page
from components.syncapi.timeline.rendering import Reader, render, room_id_member
from matrix.errors import Forbidden
from matrix.filters import EventFilter

T = TypeVar("T")

_EVERYTHING: Final = EventFilter.parse({})
_PAGE: Final = 200
_NOTHING: Final[tuple[list[bytes], int | None]] = ([], None)


class RoomsExport:
    """What a user may read, from a database that was opened with the schema that serves."""

    def __init__(self, database: Database, user_id: str, now_ms: int) -> None:
        self._database = database
        # A device that sent nothing: transaction IDs are for those that did.
        self._reader = Reader(user_id, "", now_ms)

    async def query_rooms(self) -> dict[str, str]:
        """Return the user's membership in every room that they had to do with, by room ID."""
        user_id = self._reader.user_id
        found = await self._database.read(
            lambda connection: select_rooms_of_user_before(
                connection, user_id, lambda _: TO_THE_END
            )
        )
        return {room_id: one.membership for room_id, one in sorted(found.items())}

    async def query_events(self, room_id: str) -> AsyncIterator[list[bytes]]:
        """Yield pages of a room's events, the oldest first; none where the user may not read it."""
        place: int | None = FROM_THE_START
        while place is not None:
            page = partial(self._page, room_id=room_id, start=place)
            events, place = await self._read(page, _NOTHING)
            yield events

    async def query_state(self, room_id: str) -> list[bytes]:
        """Return the parts of a JSON array: the state now, or as the user left it; or nothing."""
        user_id = self._reader.user_id
        return await self._read(
            lambda connection: read_state(connection, room_id=room_id, user_id=user_id), []
        )

    async def _read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        try:
            return await self._database.read(work)
        except Forbidden:
            return otherwise

    def _page(
        self, connection: Connection, room_id: str, start: int
    ) -> tuple[list[bytes], int | None]:
        """Return events from a place on, and where the next ones follow."""
        access = require_access(connection, self._reader.user_id, room_id)
        page = select_page(
            connection,
            Range(room_id, start, access.end, backwards=False),
            limit=_PAGE,
            event_filter=_EVERYTHING,
            viewer=access.viewer,
            max_scanned=_PAGE * 10,
        )
        member = room_id_member(room_id)
        membership_after = access.viewer.membership_after
        return [
            render(one, self._reader, membership=membership_after(one.order), room_id=member)
            for one in page.events
        ], page.place if page.more else None
