"""Registration: of users, of guests, and by scripts that know the shared secret."""

from typing import Final

import msgspec

from base.http import Request, Response, Router, json_response
from components.userapi.interactive_auth import InteractiveAuth
from components.userapi.login_answers import checked_login, login_answer, login_from
from components.userapi.rates import UserApiRates
from components.userapi.registration import RegistrationService, registration_of
from matrix.identifiers import ServerName

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class RegistrationRoutes:
    """The endpoints of registration."""

    def __init__(
        self,
        *,
        registrations: RegistrationService,
        interactive_auth: InteractiveAuth,
        rates: UserApiRates,
        server_name: ServerName,
    ) -> None:
        self._registrations = registrations
        self._interactive_auth = interactive_auth
        self._rates = rates
        self._server_name = server_name

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        router.post(f"{_V3}/register", self._register, versions=_R0)
        router.get(f"{_V3}/register/available", self._username_available, versions=_R0)
        router.get(
            "/_matrix/client/v1/register/m.login.registration_token/validity", self._token_valid
        )
        router.get("/_synapse/admin/v1/register", self._nonce)
        router.post("/_synapse/admin/v1/register", self._register_with_secret)

    async def _register(self, request: Request) -> Response:
        kind = request.query_choice("kind", ("user", "guest"), "user")
        body = await request.fields(allow_empty=kind == "guest")
        self._rates.check_registration(request.client_address)
        if kind == "guest":
            login_request = msgspec.structs.replace(
                login_from(request), display_name=checked_login(body, request).display_name
            )
            user_id, login = await self._registrations.perform_register_guest(login_request)
        else:
            body = await self._interactive_auth.recall(body)
            login_request = checked_login(body, request)
            user_id, login = await self._registrations.perform_register(
                registration_of(body, login_request), body
            )
        return json_response(login_answer(self._server_name, user_id, login))

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
        return json_response(
            {"nonce": await self._registrations.open_nonce(request.client_address)}
        )

    async def _register_with_secret(self, request: Request) -> Response:
        body = await request.fields()
        user_id, login = await self._registrations.perform_register_with_secret(
            body, login_from(request)
        )
        return json_response(login_answer(self._server_name, user_id, login))
