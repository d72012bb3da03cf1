"""Creating rooms."""

from base.http import Request, Response, Router
from components.clientapi.creation_request import CreationParser
from components.clientapi.requesters import Requesters
from components.clientapi.room_creation import RoomCreation
from components.clientapi.routes.answers import R0, V3, room_id_response


class RoomRoutes:
    """The endpoints that create rooms."""

    def __init__(
        self, *, requesters: Requesters, parser: CreationParser, creation: RoomCreation
    ) -> None:
        self._requesters = requesters
        self._parser = parser
        self._creation = creation

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.post(f"{V3}/createRoom", self._create, versions=R0)

    async def _create(self, request: Request) -> Response:
        requester = await self._requesters.member(request)
        body = await request.fields(allow_empty=True)
        wanted = self._parser.parse(body, requester.user_id)
        return room_id_response(await self._creation.create(requester, wanted))
