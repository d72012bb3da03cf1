"""Who the users of this server are: the directory, and OpenID tokens that prove it to others."""

from typing import Final, Literal

import msgspec

from base.http import Request, Response, Router, json_response
from components.userapi.rates import Rates
from components.userapi.requesters import Requesters
from components.userapi.special_tokens import SpecialTokens
from components.userapi.store.directory import DirectoryStore, FoundUser
from matrix.errors import InvalidParam
from matrix.identifiers import ServerName, UserID, is_user_id

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)
_LIMIT: Final = 10
_LIMIT_MAX: Final = 100
_TERM_BYTES_MAX: Final = 512


class DirectoryRoutes:
    """The endpoints by which users find and are known to others."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        directory: DirectoryStore,
        special_tokens: SpecialTokens,
        rates: Rates,
        server_name: ServerName,
        visible: Literal["all", "exact"],
    ) -> None:
        self._requesters = requesters
        self._directory = directory
        self._special_tokens = special_tokens
        self._rates = rates
        self._server_name = server_name
        self._visible = visible

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.post(f"{_V3}/user_directory/search", self._search, versions=_R0)
        router.post(
            f"{_V3}/user/{{user_id}}/openid/request_token", self._openid_token, versions=_R0
        )

    async def _search(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request)
        self._rates.check_request(requester.user_id)
        body = await request.fields()
        term = body.string("search_term").strip()
        limit = body.optional_integer("limit", _LIMIT)
        if limit < 0:
            raise InvalidParam("The limit is below 0.")
        if len(term.encode()) > _TERM_BYTES_MAX:
            raise InvalidParam("The search term is too long.")
        limit = min(limit, _LIMIT_MAX)
        # One more than asked for tells whether there are more.
        found = await self._find(requester.user_id, term, limit + 1)
        return json_response(
            {"results": msgspec.to_builtins(found[:limit]), "limited": len(found) > limit}
        )

    async def _find(self, searcher: UserID, term: str, limit: int) -> list[FoundUser]:
        if self._visible == "all":
            return await self._directory.search(term, limit, searcher=searcher)
        return await self._directory.select_user(term) if is_user_id(term) else []

    async def _openid_token(self, request: Request) -> Response:
        owner = await self._requesters.owner_of(request)
        self._rates.check_request(owner.user_id)
        await request.json_object(allow_empty=True)
        token, lifetime_s = await self._special_tokens.perform_issue_openid_token(owner)
        return json_response(
            {
                "access_token": token,
                "token_type": "Bearer",
                "matrix_server_name": self._server_name,
                "expires_in": lifetime_s,
            }
        )
