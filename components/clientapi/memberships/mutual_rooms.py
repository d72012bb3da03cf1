"""The rooms that two users share (client-server API, "Mutual Rooms")."""

import msgspec

from internalapi.roomserver import RoomQueries
from matrix.errors import InvalidParam
from matrix.identifiers import RoomID, UserID
from requesting.page_tokens import encode_page_token, parse_page_token


class MutualPage(msgspec.Struct, frozen=True):
    """A part of the rooms that two users share, ordered by room ID."""

    joined: list[RoomID]
    count: int
    """Of all such rooms."""
    next_batch: str | None


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: no page goes by what was before, so that a token never expires."""

    user_id: str
    room_id: str


class MutualRooms:
    """Finds the rooms that the requester shares with somebody."""

    def __init__(self, rooms: RoomQueries, max_page: int) -> None:
        self._rooms = rooms
        self._max_page = max_page

    async def query(self, user_id: UserID, other: UserID, token: str | None) -> MutualPage:
        """Return the first shared rooms, or those after a token; none with an unknown user.

        Raises `InvalidParam` for the user themselves and for what is no token.
        """
        if other == user_id:
            raise InvalidParam("You share all of your rooms with yourself.")
        after = "" if token is None else _parse(token, other)
        mine, theirs = [
            {
                one.room_id
                for one in await self._rooms.query_rooms_of_user(
                    user_id=one_of_both, memberships=["join"]
                )
            }
            for one_of_both in (user_id, other)
        ]
        shared = sorted(mine & theirs)
        rest = [room_id for room_id in shared if room_id > after]
        page = rest[: self._max_page]
        token = None
        if len(rest) > len(page):
            token = encode_page_token(_Place(other, page[-1]))
        return MutualPage(page, len(shared), token)


def _parse(token: str, other: UserID) -> str:
    place = parse_page_token(token, _Place, "from")
    if place.user_id != other:
        raise InvalidParam("from is a token for another user.")
    return place.room_id
