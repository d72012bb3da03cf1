"""Aliases, and the directory of public rooms."""

from typing import Any

from base.http import Request, Response, Router, empty_response, json_response
from components.clientapi.directory.aliases import AliasService
from components.clientapi.directory.public_rooms import describe_page, parse_token
from components.clientapi.routes.answers import R0, V3
from internalapi.roomserver import PublishedFilter, RoomDirectory
from internalapi.userapi import Requester
from matrix.errors import BadJson, InvalidParam, NotFound
from matrix.identifiers import ServerName, parse_room_alias, parse_room_id
from requesting.requesters import Requesters
from roomwriting.current_state import require_level_for_state
from roomwriting.sending import EventSender


class DirectoryRoutes:
    """The endpoints of aliases and published rooms."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        sender: EventSender,
        aliases: AliasService,
        directory: RoomDirectory,
        server_name: ServerName,
        max_page: int,
    ) -> None:
        self._requesters = requesters
        self._sender = sender
        self._aliases = aliases
        self._directory = directory
        self._server_name = server_name
        self._max_page = max_page

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        alias = f"{V3}/directory/room/{{room_alias}}"
        router.get(alias, self._get_alias, versions=R0)
        router.put(alias, by_user(self._put_alias), versions=R0)
        router.delete(alias, by_user(self._delete_alias), versions=R0)
        router.get(
            f"{V3}/rooms/{{room_id}}/aliases",
            by_user(self._get_aliases, suspended=True, limited=True),
            versions=R0,
        )
        listed = f"{V3}/directory/list/room/{{room_id}}"
        router.get(listed, self._get_visibility, versions=R0)
        router.put(listed, by_user(self._put_visibility), versions=R0)
        router.get(
            f"{V3}/publicRooms",
            self._requesters.by_anybody(self._public_rooms, limited=True),
            versions=R0,
        )
        router.post(
            f"{V3}/publicRooms",
            by_user(self._search_public_rooms, suspended=True, limited=True),
            versions=R0,
        )

    async def _get_alias(self, request: Request) -> Response:
        room_id = await self._aliases.resolve(parse_room_alias(request.path["room_alias"]))
        return json_response({"room_id": room_id, "servers": [self._server_name]})

    async def _put_alias(self, request: Request, requester: Requester) -> Response:
        alias = parse_room_alias(request.path["room_alias"])
        room_id = parse_room_id((await request.fields()).string("room_id"))
        await self._aliases.create(requester, alias, room_id)
        return empty_response()

    async def _delete_alias(self, request: Request, requester: Requester) -> Response:
        await self._aliases.delete(requester, parse_room_alias(request.path["room_alias"]))
        return empty_response()

    async def _get_aliases(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        return json_response({"aliases": await self._aliases.aliases_of(requester, room_id)})

    async def _get_visibility(self, request: Request) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        # Raises `RoomUnknown` for a room that the directory cannot know.
        await self._sender.version(room_id)
        is_published = await self._directory.query_is_published(room_id=room_id)
        return json_response({"visibility": "public" if is_published else "private"})

    async def _put_visibility(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields(allow_empty=True)
        visibility = body.optional_string("visibility", "public")
        if visibility not in ("public", "private"):
            raise InvalidParam("visibility is neither public nor private.")
        if requester.is_admin:
            await self._sender.version(room_id)
        else:
            await require_level_for_state(
                self._sender, room_id, requester.user_id, "m.room.canonical_alias"
            )
        await self._directory.perform_publish(room_id=room_id, is_published=visibility == "public")
        return empty_response()

    async def _public_rooms(self, request: Request, _asking: Requester | None) -> Response:
        self._require_own(request)
        limit = request.query_int("limit", 0)
        return await self._page(PublishedFilter(), request.query_str("since"), limit)

    async def _search_public_rooms(self, request: Request, _requester: Requester) -> Response:
        self._require_own(request)
        body = await request.fields(allow_empty=True)
        limit = body.optional_integer("limit", 0)
        if limit < 0:
            raise InvalidParam("limit is negative.")
        wanted = PublishedFilter()
        filter_fields = body.optional_object("filter")
        if filter_fields is not None:
            wanted = PublishedFilter(
                filter_fields.optional_string("generic_search_term", ""),
                _room_types(filter_fields.raw.get("room_types")),
            )
        since = body.optional_string("since")
        of_all_networks = body.boolean("include_all_networks", default=False)
        if body.optional_string("third_party_instance_id"):
            if of_all_networks:
                raise InvalidParam("One network is asked for, or all of them.")
            return json_response({"chunk": [], "total_room_count_estimate": 0})
        return await self._page(wanted, since, limit)

    def _require_own(self, request: Request) -> None:
        server = request.query_str("server")
        if server is not None and server != self._server_name:
            raise NotFound("The directories of other servers cannot be reached.")

    async def _page(self, wanted: PublishedFilter, since: str | None, limit: int) -> Response:
        page = await self._directory.query_published_page(
            wanted=wanted,
            start=parse_token(since) if since else None,
            # No limit and 0 ask for as much as the server gives.
            limit=min(limit or self._max_page, self._max_page),
        )
        return json_response(describe_page(page))


def _room_types(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(one is None or type(one) is str for one in value):
        raise BadJson("room_types is no list of strings and null.")
    return value
