"""Typing, receipts and read markers: checked, and not yet told to anybody."""

from typing import Final

from base.http import Request, Response, Router, empty_response
from components.clientapi.current_state import require_joined
from components.clientapi.requesters import Requesters
from components.clientapi.routes.answers import R0, V3
from components.clientapi.sending import EventSender
from matrix.errors import Forbidden, InvalidParam
from matrix.identifiers import parse_event_id, parse_room_id

_RECEIPT_TYPES: Final = ("m.read", "m.read.private", "m.fully_read")


class MarkerRoutes:
    """The endpoints for what a user is doing and has read."""

    def __init__(self, *, requesters: Requesters, sender: EventSender) -> None:
        self._requesters = requesters
        self._sender = sender

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        room = f"{V3}/rooms/{{room_id}}"
        router.put(f"{room}/typing/{{user_id}}", self._typing, versions=R0)
        router.post(f"{room}/receipt/{{receipt_type}}/{{event_id}}", self._receipt, versions=R0)
        router.post(f"{room}/read_markers", self._read_markers, versions=R0)

    async def _typing(self, request: Request) -> Response:
        requester = await self._requesters.member(request)
        if request.path["user_id"] != requester.user_id:
            raise Forbidden("Nobody types for another user.")
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields()
        if body.boolean("typing") and body.optional_integer("timeout", 0) < 0:
            raise InvalidParam("timeout is negative.")
        await require_joined(self._sender, room_id, requester.user_id)
        return empty_response()

    async def _receipt(self, request: Request) -> Response:
        requester = await self._requesters.member(request)
        room_id = parse_room_id(request.path["room_id"])
        parse_event_id(request.path["event_id"])
        receipt_type = request.path["receipt_type"]
        if receipt_type not in _RECEIPT_TYPES:
            raise InvalidParam(f"The receipt type is none of {', '.join(_RECEIPT_TYPES)}.")
        body = await request.json_object(allow_empty=True)
        if "thread_id" in body:
            _check_thread(receipt_type, body["thread_id"])
        await require_joined(self._sender, room_id, requester.user_id)
        return empty_response()

    async def _read_markers(self, request: Request) -> Response:
        requester = await self._requesters.member(request)
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields(allow_empty=True)
        for name in _RECEIPT_TYPES:
            event_id = body.optional_string(name)
            if event_id is not None:
                parse_event_id(event_id)
        await require_joined(self._sender, room_id, requester.user_id)
        return empty_response()


def _check_thread(receipt_type: str, thread_id: object) -> None:
    if not isinstance(thread_id, str) or not thread_id:
        raise InvalidParam("thread_id is no string, or empty.")
    if receipt_type == "m.fully_read":
        raise InvalidParam("m.fully_read is not threaded.")
