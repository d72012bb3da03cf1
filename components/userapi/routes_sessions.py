"""Login, logout, refresh, registration: how a client comes by a token and gets rid of it."""

from typing import Any, Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.logins import LoginService
from components.userapi.rates import Rates
from components.userapi.registration import (
    RegistrationService,
    checked_login,
    registration_of,
)
from components.userapi.requesters import Requesters
from components.userapi.tokens import Login, LoginRequest, Tokens
from matrix.identifiers import ServerName, UserID

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class SessionRoutes:
    """The endpoints of sessions."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        tokens: Tokens,
        logins: LoginService,
        registrations: RegistrationService,
        rates: Rates,
        server_name: ServerName,
        well_known: dict[str, Any] | None,
    ) -> None:
        self._requesters = requesters
        self._tokens = tokens
        self._logins = logins
        self._registrations = registrations
        self._rates = rates
        self._server_name = server_name
        self._well_known = well_known

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.get(f"{_V3}/login", self._login_flows, versions=_R0)
        router.post(f"{_V3}/login", self._login, versions=_R0)
        router.post(f"{_V3}/logout", self._logout, versions=_R0)
        router.post(f"{_V3}/logout/all", self._logout_all, versions=_R0)
        router.post(f"{_V3}/refresh", self._refresh, versions=("r0", "v1"))
        router.post(f"{_V3}/register", self._register, versions=_R0)
        router.get(f"{_V3}/register/available", self._username_available, versions=_R0)
        router.get(
            "/_matrix/client/v1/register/m.login.registration_token/validity", self._token_valid
        )
        router.get("/_synapse/admin/v1/register", self._nonce)
        router.post("/_synapse/admin/v1/register", self._register_with_secret)

    async def _login_flows(self, _request: Request) -> Response:
        return json_response({"flows": [{"type": "m.login.password"}]})

    async def _login(self, request: Request) -> Response:
        body = await request.fields()
        login_request = checked_login(body, request.client_address)
        login = await self._logins.perform_login(body, login_request)
        answer = self._registered(login.user_id, login)
        if self._well_known is not None:
            answer["well_known"] = self._well_known
        return json_response(answer)

    async def _logout(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request, guests=True)
        await self._tokens.perform_logout(requester.user_id, [requester.device_id])
        return empty_response()

    async def _logout_all(self, request: Request) -> Response:
        requester = await self._requesters.requester_of(request, guests=True)
        await self._tokens.perform_logout_everywhere(requester.user_id)
        return empty_response()

    async def _refresh(self, request: Request) -> Response:
        body = await request.fields()
        return json_response(
            _tokens_of(await self._tokens.perform_refresh(body.string("refresh_token")))
        )

    async def _register(self, request: Request) -> Response:
        kind = request.query_choice("kind", ("user", "guest"), "user")
        body = await request.fields(allow_empty=kind == "guest")
        self._rates.check_registration(request.client_address)
        if kind == "guest":
            login_request = LoginRequest(
                display_name=checked_login(body, "").display_name,
                address=request.client_address or None,
            )
            user_id, login = await self._registrations.perform_register_guest(login_request)
        else:
            login_request = checked_login(body, request.client_address)
            user_id, login = await self._registrations.perform_register(
                registration_of(body, login_request), body.optional_object("auth")
            )
        return json_response(self._registered(user_id, login))

    async def _username_available(self, request: Request) -> Response:
        self._rates.check_registration(request.client_address)
        await self._registrations.check_username(request.query_required("username"))
        return json_response({"available": True})

    async def _token_valid(self, request: Request) -> Response:
        self._rates.check_registration(request.client_address)
        is_valid = await self._registrations.query_token_valid(request.query_required("token"))
        return json_response({"valid": is_valid})

    async def _nonce(self, request: Request) -> Response:
        self._rates.check_registration(request.client_address)
        return json_response({"nonce": await self._registrations.open_nonce()})

    async def _register_with_secret(self, request: Request) -> Response:
        body = await request.fields()
        user_id, login = await self._registrations.perform_register_with_secret(
            body, LoginRequest(address=request.client_address or None)
        )
        return json_response(self._registered(user_id, login))

    def _registered(self, user_id: UserID, login: Login | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"user_id": user_id, "home_server": self._server_name}
        if login is not None:
            answer.update(device_id=login.device_id, **_tokens_of(login))
        return answer


def _tokens_of(login: Login) -> dict[str, Any]:
    answer: dict[str, Any] = {"access_token": login.access_token}
    if login.refresh_token is not None:
        answer["refresh_token"] = login.refresh_token
    if login.expires_in_ms is not None:
        answer["expires_in_ms"] = login.expires_in_ms
    return answer
