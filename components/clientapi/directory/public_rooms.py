"""The directory of public rooms as clients see it: pages, and tokens of their places."""

from typing import Any

import msgspec

from internalapi.roomserver import PublishedPage, PublishedRoom, PublishedStart
from matrix.identifiers import RoomID
from requesting.page_tokens import encode_page_token, parse_page_token


class _Token(msgspec.Struct, frozen=True, array_like=True):
    """A `PublishedStart` as it is in tokens."""

    is_forward: bool
    joined_members: int
    room_id: str


def parse_token(text: str) -> PublishedStart:
    """Return where the page of a token begins, or raise `InvalidParam`."""
    token = parse_page_token(text, _Token, "since")
    return PublishedStart(token.is_forward, token.joined_members, RoomID(token.room_id))


def describe_page(page: PublishedPage) -> dict[str, Any]:
    """Return a page as clients see it.

    Tokens name places in the order, so that pages fit together while rooms come and go.
    """
    answer: dict[str, Any] = {
        "chunk": [_describe(room) for room in page.rooms],
        "total_room_count_estimate": page.total,
    }
    if page.rooms and page.has_later:
        answer["next_batch"] = _token(page.rooms[-1], is_forward=True)
    if page.rooms and page.has_earlier:
        answer["prev_batch"] = _token(page.rooms[0], is_forward=False)
    return answer


def _token(room: PublishedRoom, *, is_forward: bool) -> str:
    return encode_page_token(_Token(is_forward, room.joined_members, room.room_id))


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
