"""The requester's account: who they are, their password, and its end."""

from typing import Final

from base.http import Request, Response, Router, empty_response, json_response
from components.userapi.accounts import AccountService
from components.userapi.deactivation import DeactivationService
from components.userapi.proofs import Proofs
from internalapi.userapi import Requester
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class AccountRoutes:
    """The endpoints of the account itself."""

    def __init__(
        self,
        *,
        requesters: Requesters,
        proofs: Proofs,
        accounts: AccountService,
        deactivations: DeactivationService,
    ) -> None:
        self._requesters = requesters
        self._proofs = proofs
        self._accounts = accounts
        self._deactivations = deactivations

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        router.get(
            f"{_V3}/account/whoami",
            by_user(self._whoami, guests=True, suspended=True, limited=True),
            versions=_R0,
        )
        router.post(
            f"{_V3}/account/password",
            by_user(self._change_password, suspended=True, limited=True),
            versions=_R0,
        )
        router.post(
            f"{_V3}/account/deactivate",
            by_user(self._deactivate, suspended=True, limited=True),
            versions=_R0,
        )

    async def _whoami(self, _request: Request, requester: Requester) -> Response:
        return json_response(
            {
                "user_id": requester.user_id,
                "device_id": requester.device_id,
                "is_guest": requester.is_guest,
            }
        )

    async def _change_password(self, request: Request, requester: Requester) -> Response:
        body = await self._proofs.recall(await request.fields())
        password = body.string("new_password")
        logout_devices = body.boolean("logout_devices", default=True)
        self._accounts.check_password_strength(password)
        session_id = await self._proofs.prove(body, requester, "change the password")
        await self._accounts.change_password(
            requester.user_id,
            password,
            interactive_session_id=session_id,
            logout_all_but=requester.device_id if logout_devices else None,
        )
        return empty_response()

    async def _deactivate(self, request: Request, requester: Requester) -> Response:
        body = await self._proofs.recall(await request.fields())
        erase = body.boolean("erase", default=False)
        session_id = await self._proofs.prove(body, requester, "deactivate the account")
        await self._deactivations.perform_deactivate(
            requester.user_id, erase=erase, session_id=session_id
        )
        # No identity server knows of third-party IDs, as there are none.
        return json_response({"id_server_unbind_result": "success"})
