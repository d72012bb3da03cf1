"""The directory in its order, and pages of it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from base.slices import Slices
from internalapi.roomserver import PublishedFilter, PublishedPage, PublishedRoom, PublishedStart

_Place = tuple[int, str]
"""The negative number of joined members, and the room ID."""


class ListedRoom(NamedTuple):
    """A room with what is looked at to find it."""

    place: _Place
    room: PublishedRoom
    texts: Sequence[str]
    """What search terms are looked for in, without regard to case."""

    @classmethod
    def of(cls, room: PublishedRoom) -> "ListedRoom":
        """Return the room with its place."""
        texts = (room.name, room.topic, room.canonical_alias, room.room_id)
        return cls(
            (-room.joined_members, room.room_id),
            room,
            [text.casefold() for text in texts if text],
        )


_place: Final = itemgetter(0)


class PublishedList:
    """All published rooms at one time: most joined members first, then by room ID."""

    def __init__(self, rooms: Iterable[ListedRoom], slices: Slices) -> None:
        self._rooms: Final = sorted(rooms, key=_place)
        self._slices: Final = slices

    async def page(
        self, wanted: PublishedFilter, start: PublishedStart | None, limit: int
    ) -> PublishedPage:
        """Return the page that begins at `start`. It costs what it has, or a search of all."""
        rooms = self._rooms
        if wanted.search_term or wanted.room_types is not None:
            rooms = await self._matching(wanted)
        first, end = _bounds(rooms, start, limit)
        page = [listed.room for listed in rooms[first:end]]
        return PublishedPage(page, len(rooms), first > 0, end < len(rooms))

    async def _matching(self, wanted: PublishedFilter) -> list[ListedRoom]:
        term, types = wanted.search_term.casefold(), wanted.room_types
        found = []
        for listed in self._rooms:
            await self._slices.next()
            if types is not None and listed.room.room_type not in types:
                continue
            if not term or any(term in text for text in listed.texts):
                found.append(listed)
        return found


def _bounds(
    rooms: Sequence[ListedRoom], start: PublishedStart | None, limit: int
) -> tuple[int, int]:
    if start is None:
        return 0, limit
    place = (-start.joined_members, start.room_id)
    if start.is_forward:
        first = bisect_right(rooms, place, key=_place)
        return first, first + limit
    end = bisect_left(rooms, place, key=_place)
    return max(end - limit, 0), end
