"""Joining, inviting, leaving, kicking, banning, knocking."""

from collections.abc import Awaitable, Callable
from functools import partial
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
        by_user = self._requesters.by_user
        room = f"{V3}/rooms/{{room_id}}"
        router.post(f"{room}/join", by_user(self._join, guests=True, limited=True), versions=R0)
        router.post(
            f"{V3}/join/{{room_id_or_alias}}",
            by_user(self._join_by_alias, guests=True, limited=True),
            versions=R0,
        )
        router.post(
            f"{V3}/knock/{{room_id_or_alias}}", by_user(self._knock, limited=True), versions=R0
        )
        router.post(
            f"{room}/leave",
            by_user(self._leave, guests=True, suspended=True, limited=True),
            versions=R0,
        )
        router.post(
            f"{room}/forget", by_user(self._forget, suspended=True, limited=True), versions=R0
        )
        for name, change, content_of in (
            ("invite", self._memberships.invite, _invite_content),
            ("kick", self._memberships.kick, _reason),
            ("ban", self._memberships.ban, _reason),
            ("unban", self._memberships.unban, _reason),
        ):
            changing = partial(self._change_other, change=change, content_of=content_of)
            router.post(f"{room}/{name}", by_user(changing, limited=True), versions=R0)

    async def _join(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        content = _join_content(await request.fields(allow_empty=True))
        await self._memberships.join(requester, room_id, content)
        return room_id_response(room_id)

    async def _join_by_alias(self, request: Request, requester: Requester) -> Response:
        content = _join_content(await request.fields(allow_empty=True))
        room_id = await self._aliases.room_of(request.path["room_id_or_alias"])
        await self._memberships.join(requester, room_id, content)
        return room_id_response(room_id)

    async def _knock(self, request: Request, requester: Requester) -> Response:
        content = _reason(await request.fields(allow_empty=True))
        room_id = await self._aliases.room_of(request.path["room_id_or_alias"])
        await self._memberships.knock(requester, room_id, content)
        return room_id_response(room_id)

    async def _leave(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        content = _reason(await request.fields(allow_empty=True))
        await self._memberships.leave(requester, room_id, content)
        if self._forget_when_leaving:
            await self._memberships.forget(requester, room_id)
        return empty_response()

    async def _forget(self, request: Request, requester: Requester) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        await self._memberships.forget(requester, room_id)
        return empty_response()

    async def _change_other(
        self, request: Request, requester: Requester, *, change: ChangeOther, content_of: ContentOf
    ) -> Response:
        room_id = parse_room_id(request.path["room_id"])
        body = await request.fields()
        if "user_id" not in body and "medium" in body:
            raise ThirdPartyInviteDenied
        target = parse_user_id(body.string("user_id"))
        await change(requester, room_id, target, content_of(body))
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
