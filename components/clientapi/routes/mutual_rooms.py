"""The rooms that one shares with another user."""

from typing import Any, Final

from base.http import Request, Response, Router, json_response
from components.clientapi.memberships.mutual_rooms import MutualRooms
from internalapi.userapi import Requester
from matrix.identifiers import parse_user_id
from requesting.requesters import Requesters

_V1: Final = "/_matrix/client/v1"


class MutualRoomRoutes:
    """The endpoint of shared rooms."""

    def __init__(self, *, requesters: Requesters, mutual_rooms: MutualRooms) -> None:
        self._requesters = requesters
        self._mutual_rooms = mutual_rooms

    def add_to(self, router: Router) -> None:
        """Add the route."""
        by_user = self._requesters.by_user
        router.get(f"{_V1}/mutual_rooms", by_user(self._get, suspended=True, limited=True))

    async def _get(self, request: Request, requester: Requester) -> Response:
        other = parse_user_id(request.query_required("user_id"))
        token = request.query_str("from")
        page = await self._mutual_rooms.query(requester.user_id, other, token)
        answer: dict[str, Any] = {"joined": page.joined, "count": page.count}
        if page.next_batch is not None:
            answer["next_batch"] = page.next_batch
            # The former name, for clients that ask by the former path.
            answer["next_batch_token"] = page.next_batch
        return json_response(answer)
