"""Profiles, filters, account data and tags, as clients read and store them."""

from typing import Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.account_data import AccountDataService
from components.userapi.filters import FilterService
from components.userapi.profiles import ProfileService
from components.userapi.tags import TagService
from internalapi.userapi import Requester
from matrix.canonical import encode_canonical
from matrix.errors import NotFound
from matrix.identifiers import RoomID, parse_room_id, parse_user_id
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class UserDataRoutes:
    """The endpoints of what users keep with the server."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        profiles: ProfileService,
        filters: FilterService,
        account_data: AccountDataService,
        tags: TagService,
    ) -> None:
        self._requesters = requesters
        self._profiles = profiles
        self._filters = filters
        self._account_data = account_data
        self._tags = tags

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        user = f"{_V3}/user/{{user_id}}"
        router.get(f"{_V3}/profile/{{user_id}}", self._profile, versions=_R0)
        router.get(f"{_V3}/profile/{{user_id}}/{{field}}", self._profile_field, versions=_R0)
        router.post(
            f"{user}/filter",
            by_user(self._store_filter, guests=True, suspended=True, limited=True, owner=True),
            versions=_R0,
        )
        router.get(
            f"{user}/filter/{{filter_id}}",
            by_user(self._filter, guests=True, suspended=True, owner=True),
            versions=_R0,
        )
        for account_data in (
            f"{user}/account_data/{{type}}",
            f"{user}/rooms/{{room_id}}/account_data/{{type}}",
        ):
            router.get(
                account_data,
                by_user(self._get_account_data, suspended=True, owner=True),
                versions=_R0,
            )
            router.put(
                account_data,
                by_user(self._put_account_data, suspended=True, limited=True, owner=True),
                versions=_R0,
            )
        tags = f"{user}/rooms/{{room_id}}/tags"
        router.get(tags, by_user(self._get_tags, suspended=True, owner=True), versions=_R0)
        router.put(
            f"{tags}/{{tag}}",
            by_user(self._put_tag, suspended=True, limited=True, owner=True),
            versions=_R0,
        )
        router.delete(
            f"{tags}/{{tag}}",
            by_user(self._delete_tag, suspended=True, limited=True, owner=True),
            versions=_R0,
        )

    async def _profile(self, request: Request) -> Response:
        user_id = parse_user_id(request.path["user_id"])
        profile = await self._profiles.query_profile(user_id=user_id)
        return json_response(encode_canonical(profile))

    async def _profile_field(self, request: Request) -> Response:
        user_id, field = parse_user_id(request.path["user_id"]), request.path["field"]
        profile = await self._profiles.query_profile(user_id=user_id)
        if field not in profile:
            raise NotFound("The profile has no such field.")
        return json_response(encode_canonical({field: profile[field]}))

    async def _store_filter(self, request: Request, owner: Requester) -> Response:
        filter_id = await self._filters.perform_store_filter(
            owner.user_id, await request.json_object()
        )
        return json_response({"filter_id": filter_id})

    async def _filter(self, request: Request, owner: Requester) -> Response:
        stored = await self._filters.query_filter(
            user_id=owner.user_id, filter_id=request.path["filter_id"]
        )
        return json_response(encode_canonical(stored))

    async def _get_account_data(self, request: Request, owner: Requester) -> Response:
        content = await self._account_data.query(
            owner.user_id, _room_of(request), request.path["type"]
        )
        return json_response(content)

    async def _put_account_data(self, request: Request, owner: Requester) -> Response:
        room_id = _room_of(request)
        await self._account_data.perform_put(
            owner.user_id, room_id, request.path["type"], await request.json_object()
        )
        return empty_response()

    async def _get_tags(self, request: Request, owner: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        tags = await self._tags.query_tags(owner.user_id, room_id)
        return json_response(encode_canonical({"tags": tags}))

    async def _put_tag(self, request: Request, owner: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        await self._tags.perform_put_tag(
            owner.user_id, room_id, request.path["tag"], await request.json_object()
        )
        return empty_response()

    async def _delete_tag(self, request: Request, owner: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        await self._tags.perform_remove_tag(owner.user_id, room_id, request.path["tag"])
        return empty_response()


def _room_of(request: Request) -> RoomID | None:
    room_id = request.path.get("room_id")
    return None if room_id is None else parse_room_id(room_id)
