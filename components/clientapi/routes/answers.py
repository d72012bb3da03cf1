"""Answers and versions that several routes share."""

from typing import Final

from base.http import Response, json_response
from matrix.identifiers import EventID, RoomID

V3: Final = "/_matrix/client/v3"
R0: Final = ("r0",)


def event_id_response(event_id: EventID) -> Response:
    """Answer with the ID of an event of ours, which has nothing that JSON would escape."""
    return json_response(b'{"event_id":"%b"}' % event_id.encode())


def room_id_response(room_id: RoomID) -> Response:
    """Answer with the ID of a room."""
    return json_response({"room_id": room_id})
