"""Typing, receipts and read markers."""

from collections.abc import Sequence
from typing import Final

from base.http import Request, Response, Router, empty_response
from components.clientapi.reading_marks.receipts import (
    MAIN_THREAD,
    ReadMark,
    ReceiptType,
    ReceiptWriter,
)
from components.clientapi.reading_marks.typing_writer import TypingWriter
from components.clientapi.routes.answers import R0, V3
from components.clientapi.visible_events import PresentMember
from internalapi.userapi import Requester
from matrix.errors import InvalidParam
from matrix.identifiers import RoomID, UserID, parse_event_id, parse_room_id
from requesting.requesters import Requesters, require_active
from roomwriting.current_state import require_joined
from roomwriting.sending import EventSender

_RECEIPT_TYPES: Final[tuple[ReceiptType, ...]] = ("m.read", "m.read.private", "m.fully_read")
_TYPING_MS: Final = 30_000
"""How long one types who does not say for how long."""


class ReadingMarkRoutes:
    """The endpoints for what a user is doing and has read."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        sender: EventSender,
        writer: ReceiptWriter,
        typing: TypingWriter,
    ) -> None:
        self._requesters = requesters
        self._sender = sender
        self._writer = writer
        self._typing_writer = typing

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        room = f"{V3}/rooms/{{room_id}}"
        router.put(
            f"{room}/typing/{{user_id}}",
            by_user(self._typing, suspended=True, limited=True, owner=True),
            versions=R0,
        )
        router.post(
            f"{room}/receipt/{{receipt_type}}/{{event_id}}",
            by_user(self._receipt, suspended=True, limited=True),
            versions=R0,
        )
        router.post(
            f"{room}/read_markers",
            by_user(self._read_markers, suspended=True, limited=True),
            versions=R0,
        )

    async def _typing(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields()
        timeout_ms = 0
        if body.boolean("typing"):
            require_active(requester)
            timeout_ms = body.optional_integer("timeout", _TYPING_MS)
        if timeout_ms < 0:
            raise InvalidParam("timeout is negative.")
        await require_joined(self._sender, room_id, requester.user_id)
        await self._typing_writer.set_typing(room_id, requester.user_id, timeout_ms)
        return empty_response()

    async def _receipt(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        event_id = parse_event_id(request.path["event_id"])
        receipt_type = _receipt_type(request.path["receipt_type"])
        body = await request.json_object(allow_empty=True)
        thread_id = _thread_id(receipt_type, body["thread_id"]) if "thread_id" in body else None
        mark = ReadMark(receipt_type, event_id, thread_id)
        await self._mark(room_id, requester.user_id, [mark])
        return empty_response()

    async def _read_markers(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields(allow_empty=True)
        marks = [
            ReadMark(receipt_type, parse_event_id(event_id))
            for receipt_type in _RECEIPT_TYPES
            if (event_id := body.optional_string(receipt_type)) is not None
        ]
        await self._mark(room_id, requester.user_id, marks)
        return empty_response()

    async def _mark(self, room_id: RoomID, user_id: UserID, marks: Sequence[ReadMark]) -> None:
        joined = await require_joined(self._sender, room_id, user_id)
        await self._writer.mark_read(room_id, PresentMember(user_id, joined.depth), marks)


def _receipt_type(text: str) -> ReceiptType:
    for receipt_type in _RECEIPT_TYPES:
        if text == receipt_type:
            return receipt_type
    raise InvalidParam(f"The receipt type is none of {', '.join(_RECEIPT_TYPES)}.")


def _thread_id(receipt_type: ReceiptType, thread_id: object) -> str:
    if not isinstance(thread_id, str) or not thread_id:
        raise InvalidParam("thread_id is no string, or empty.")
    if receipt_type == "m.fully_read":
        raise InvalidParam("m.fully_read is not threaded.")
    return thread_id if thread_id == MAIN_THREAD else parse_event_id(thread_id)
