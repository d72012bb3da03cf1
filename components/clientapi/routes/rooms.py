"""Creating and upgrading rooms."""

from base.http import Request, Response, Router, json_response
from components.clientapi.rooms.creation import RoomCreation
from components.clientapi.rooms.creation_request import CreationParser, parse_creators
from components.clientapi.rooms.replacements import UpgradeRequest
from components.clientapi.rooms.upgrades import RoomUpgrades
from components.clientapi.routes.answers import R0, V3, room_id_response
from internalapi.userapi import Requester
from matrix.identifiers import UserID, parse_room_id
from matrix.room_versions import room_version
from requesting.requesters import Requesters


class RoomCreationRoutes:
    """The endpoints that make rooms."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        parser: CreationParser,
        creation: RoomCreation,
        upgrades: RoomUpgrades,
    ) -> None:
        self._requesters = requesters
        self._parser = parser
        self._creation = creation
        self._upgrades = upgrades

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.post(f"{V3}/createRoom", by_user(self._create), versions=R0)
        router.post(f"{V3}/rooms/{{room_id}}/upgrade", by_user(self._upgrade), versions=R0)

    async def _create(self, request: Request, requester: Requester) -> Response:
        body = await request.fields(allow_empty=True)
        wanted = self._parser.parse(body, requester.user_id)
        return room_id_response(await self._creation.create(requester, wanted))

    async def _upgrade(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields()
        version = room_version(body.string("new_version"))
        creators: list[UserID] = []
        if version.privileged_creators:
            creators = parse_creators(body.raw.get("additional_creators"))
        wanted = UpgradeRequest(version, creators)
        new_room_id = await self._upgrades.upgrade(requester, room_id, wanted)
        return json_response({"replacement_room": new_room_id})
