"""Login, logout, refresh: how a client comes by a token and gets rid of it."""

from typing import Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.login_answers import checked_login, login_answer, tokens_of
from components.userapi.logins import LoginService
from components.userapi.proofs import Proofs
from components.userapi.rates import UserApiRates
from components.userapi.settings import UserApiSettings
from components.userapi.special_tokens import SpecialTokens
from components.userapi.tokens import AccessTokens
from internalapi.userapi import Requester
from matrix.errors import Unrecognized
from matrix.identifiers import ServerName
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class SessionRoutes:
    """The endpoints of sessions."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        proofs: Proofs,
        tokens: AccessTokens,
        special_tokens: SpecialTokens,
        logins: LoginService,
        rates: UserApiRates,
        server_name: ServerName,
        settings: UserApiSettings,
    ) -> None:
        self._requesters = requesters
        self._proofs = proofs
        self._tokens = tokens
        self._special_tokens = special_tokens
        self._logins = logins
        self._rates = rates
        self._server_name = server_name
        self._is_issuing = settings.login_tokens
        self._well_known = settings.well_known

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.get(f"{_V3}/login", self._login_flows, versions=_R0)
        router.post(f"{_V3}/login", self._login, versions=_R0)
        router.post(f"{_V3}/logout", self._logout, versions=_R0)
        router.post(f"{_V3}/logout/all", self._logout_all, versions=_R0)
        router.post(f"{_V3}/refresh", self._refresh, versions=("r0", "v1"))
        router.post(
            "/_matrix/client/v1/login/get_token", by_user(self._issue_login_token, suspended=True)
        )

    async def _login_flows(self, request: Request) -> Response:
        self._rates.requests.check_stranger(request.client_address)
        return json_response({"flows": self._logins.flows()})

    async def _login(self, request: Request) -> Response:
        body = await request.fields()
        login_request = checked_login(body, request)
        login = await self._logins.perform_login(body, login_request)
        answer = login_answer(self._server_name, login.user_id, login)
        if self._well_known is not None:
            answer["well_known"] = self._well_known
        return json_response(answer)

    async def _logout(self, request: Request) -> Response:
        requester = await self._tokens.query_token_to_log_out(request.access_token)
        await self._tokens.perform_logout(requester.user_id, [requester.device_id])
        return empty_response()

    async def _logout_all(self, request: Request) -> Response:
        requester = await self._tokens.query_token_to_log_out(request.access_token)
        await self._tokens.perform_logout_everywhere(requester.user_id)
        return empty_response()

    async def _refresh(self, request: Request) -> Response:
        body = await request.fields()
        self._rates.requests.check_stranger(request.client_address)
        return json_response(
            tokens_of(await self._tokens.perform_refresh(body.string("refresh_token")))
        )

    async def _issue_login_token(self, request: Request, requester: Requester) -> Response:
        if not self._is_issuing:
            raise Unrecognized
        self._rates.check_login_token(requester.user_id)
        session_id = await self._proofs.prove(
            await request.fields(), requester, "issue a login token"
        )
        token, lifetime_s = await self._special_tokens.perform_issue_login_token(
            requester, session_id
        )
        return json_response({"login_token": token, "expires_in_ms": lifetime_s * 1000})
