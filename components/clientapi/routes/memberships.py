"""Joining, inviting, leaving, kicking, banning, knocking."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from base.http import Fields, Request, Response, Router, empty_response
from components.clientapi.directory.aliases import AliasService
from components.clientapi.memberships.service import MembershipService
from components.clientapi.rooms.creation_request import ThirdPartyInviteDenied
from components.clientapi.routes.answers import R0, V3, room_id_response
from internalapi.userapi import Requester
from matrix.identifiers import EventID, RoomID, UserID, parse_room_id, parse_user_id
from requesting.requesters import Requesters

_NOT_IN_JOIN: Final = frozenset({"reason", "third_party_signed"})
_NOT_IN_INVITE: Final = frozenset(
    {"reason", "user_id", "medium", "address", "id_server", "id_access_token"}
)

ContentOf = Callable[[Fields], dict[str, Any]]
"""Returns what the body of a request says in the member event."""
ChangeOther = Callable[[Requester, RoomID, UserID, dict[str, Any]], Awaitable[EventID]]


class MembershipRoutes:
    """The endpoints that change memberships."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        memberships: MembershipService,
        aliases: AliasService,
        forget_when_leaving: bool,
    ) -> None:
        self._requesters = requesters
        self._memberships = memberships
        self._aliases = aliases
        self._forget_when_leaving = forget_when_leaving

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        room = f"{V3}/rooms/{{room_id}}"
        router.post(f"{room}/join", self._join, versions=R0)
        router.post(f"{V3}/join/{{room_id_or_alias}}", self._join_by_alias, versions=R0)
        router.post(f"{V3}/knock/{{room_id_or_alias}}", self._knock, versions=R0)
        router.post(f"{room}/leave", self._leave, versions=R0)
        router.post(f"{room}/forget", self._forget, versions=R0)
        router.post(f"{room}/invite", self._invite, versions=R0)
        router.post(f"{room}/kick", self._kick, versions=R0)
        router.post(f"{room}/ban", self._ban, versions=R0)
        router.post(f"{room}/unban", self._unban, versions=R0)

    async def _join(self, request: Request) -> Response:
        requester = await self._requesters.limited_requester_of(request, guests=True)
        room_id = parse_room_id(request.path["room_id"])
        content = _join_content(await request.fields(allow_empty=True))
        await self._memberships.join(requester, room_id, content)
        return room_id_response(room_id)

    async def _join_by_alias(self, request: Request) -> Response:
        requester = await self._requesters.limited_requester_of(request, guests=True)
        content = _join_content(await request.fields(allow_empty=True))
        room_id = await self._aliases.room_of(request.path["room_id_or_alias"])
        await self._memberships.join(requester, room_id, content)
        return room_id_response(room_id)

    async def _knock(self, request: Request) -> Response:
        requester = await self._requesters.limited_requester_of(request)
        content = _reason(await request.fields(allow_empty=True))
        room_id = await self._aliases.room_of(request.path["room_id_or_alias"])
        await self._memberships.knock(requester, room_id, content)
        return room_id_response(room_id)

    async def _leave(self, request: Request) -> Response:
        requester = await self._requesters.limited_requester_of(request, guests=True)
        room_id = parse_room_id(request.path["room_id"])
        content = _reason(await request.fields(allow_empty=True))
        await self._memberships.leave(requester, room_id, content)
        if self._forget_when_leaving:
            await self._memberships.forget(requester, room_id)
        return empty_response()

    async def _forget(self, request: Request) -> Response:
        requester = await self._requesters.limited_requester_of(request)
        room_id = parse_room_id(request.path["room_id"])
        await self._memberships.forget(requester, room_id)
        return empty_response()

    async def _invite(self, request: Request) -> Response:
        return await self._change_other(request, self._memberships.invite, _invite_content)

    async def _kick(self, request: Request) -> Response:
        return await self._change_other(request, self._memberships.kick)

    async def _ban(self, request: Request) -> Response:
        return await self._change_other(request, self._memberships.ban)

    async def _unban(self, request: Request) -> Response:
        return await self._change_other(request, self._memberships.unban)

    async def _change_other(
        self, request: Request, change: ChangeOther, content_of: ContentOf | None = None
    ) -> Response:
        requester = await self._requesters.limited_requester_of(request)
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields()
        if "user_id" not in body and "medium" in body:
            raise ThirdPartyInviteDenied
        target = parse_user_id(body.string("user_id"))
        await change(requester, room_id, target, (content_of or _reason)(body))
        return empty_response()


def _join_content(body: Fields) -> dict[str, Any]:
    """Return all that a client says of its join: clients put fields of their own there."""
    return {**_others(body, _NOT_IN_JOIN), **_reason(body)}


def _invite_content(body: Fields) -> dict[str, Any]:
    return {**_others(body, _NOT_IN_INVITE), **_reason(body)}


def _others(body: Fields, known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in body.raw.items() if name not in known}


def _reason(body: Fields) -> dict[str, Any]:
    reason = body.optional_string("reason")
    return {} if reason is None else {"reason": reason}
