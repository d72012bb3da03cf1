"""The directory of public rooms: filter, order and pages."""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from internalapi.roomserver import PublishedRoom
from matrix.errors import InvalidParam
from matrix.unpadded_base64 import encode_base64_url_safe


class _Place(NamedTuple):
    """The place of a room in the directory: most members first, then by room ID."""

    fewer: int
    """The negative number of its members."""
    room_id: str


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """Where a page begins: after a room, or before one; the room may be gone meanwhile."""

    is_forward: bool
    joined_members: int
    room_id: str

    def encode(self) -> str:
        """Return the token as clients see it."""
        return encode_base64_url_safe(msgspec.msgpack.encode(self))

    @classmethod
    def parse(cls, text: str) -> "PageToken":
        """Return the token of a text, or raise `InvalidParam`."""
        try:
            packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return msgspec.msgpack.decode(packed, type=cls)
        except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
            raise InvalidParam("since is no token of this directory.") from error


class PublicRoomFilter(msgspec.Struct, frozen=True):
    """Which rooms are wanted."""

    search_term: str = ""
    room_types: Sequence[str | None] | None = None
    """The wanted types, with `None` for rooms without one; `None` for rooms of any type."""

    def matches(self, room: PublishedRoom) -> bool:
        """Return whether a room is wanted."""
        if self.room_types is not None and room.room_type not in self.room_types:
            return False
        if not self.search_term:
            return True
        term = self.search_term.casefold()
        searched = (room.name, room.topic, room.canonical_alias, room.room_id)
        return any(term in text.casefold() for text in searched if text)


def page_of(
    rooms: Sequence[PublishedRoom], wanted: PublicRoomFilter, since: PageToken | None, limit: int
) -> dict[str, Any]:
    """Return one page of the directory as clients see it.

    Tokens name places in the order, so that pages fit together while rooms come and go.
    """
    matching = sorted((room for room in rooms if wanted.matches(room)), key=_place)
    start, end = _bounds(matching, since, limit)
    page = matching[start:end]
    answer: dict[str, Any] = {
        "chunk": [_describe(room) for room in page],
        "total_room_count_estimate": len(matching),
    }
    if page and end < len(matching):
        answer["next_batch"] = _token(page[-1], is_forward=True)
    if page and start > 0:
        answer["prev_batch"] = _token(page[0], is_forward=False)
    return answer


def _bounds(rooms: Sequence[PublishedRoom], since: PageToken | None, limit: int) -> tuple[int, int]:
    if since is None:
        return 0, limit
    place = _Place(-since.joined_members, since.room_id)
    if since.is_forward:
        start = sum(_place(room) <= place for room in rooms)
        return start, start + limit
    end = sum(_place(room) < place for room in rooms)
    return max(end - limit, 0), end


def _place(room: PublishedRoom) -> _Place:
    return _Place(-room.joined_members, room.room_id)


def _token(room: PublishedRoom, *, is_forward: bool) -> str:
    return PageToken(is_forward, room.joined_members, room.room_id).encode()


def _describe(room: PublishedRoom) -> dict[str, Any]:
    described: dict[str, Any] = {
        "room_id": room.room_id,
        "num_joined_members": room.joined_members,
        "world_readable": room.world_readable,
        "guest_can_join": room.guest_can_join,
        "join_rule": room.join_rule,
    }
    for name in ("name", "topic", "canonical_alias", "avatar_url", "room_type"):
        value = getattr(room, name)
        if value is not None:
            described[name] = value
    return described
