"""OpenID tokens, by which users prove to others who they are."""

from typing import Final

from base.http import Request, Response, Router, json_response
from components.userapi.special_tokens import SpecialTokens
from internalapi.userapi import Requester
from matrix.identifiers import ServerName
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class OpenIdRoutes:
    """The endpoint by which users get tokens for others."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        special_tokens: SpecialTokens,
        server_name: ServerName,
    ) -> None:
        self._requesters = requesters
        self._special_tokens = special_tokens
        self._server_name = server_name

    def add_to(self, router: Router) -> None:
        """Add the route."""
        by_user = self._requesters.by_user
        router.post(
            f"{_V3}/user/{{user_id}}/openid/request_token",
            by_user(self._openid_token, limited=True, owner=True),
            versions=_R0,
        )

    async def _openid_token(self, request: Request, owner: Requester) -> Response:
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
