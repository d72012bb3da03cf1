"""Third-party IDs: no account has one, as the server sends no mail and no text messages."""

from typing import Final

from base.http import Request, Response, Router, json_response
from components.userapi.rates import UserApiRates
from internalapi.userapi import Requester
from matrix.errors import ThreepidDenied, ThreepidMediumNotSupported, ThreepidNotFound
from requesting.requesters import Requesters

_V3: Final = "/_matrix/client/v3"
_R0: Final = ("r0",)


class ThirdPartyIdRoutes:
    """The endpoints of third-party IDs, which list none and take none."""

    def __init__(self, *, requesters: Requesters, rates: UserApiRates) -> None:
        self._requesters = requesters
        self._rates = rates

    def add_to(self, router: Router) -> None:
        """Add the routes."""
        by_user = self._requesters.by_user
        mine = f"{_V3}/account/3pid"
        router.get(mine, by_user(self._list, suspended=True), versions=_R0)
        for refused in (mine, f"{mine}/add", f"{mine}/bind"):
            router.post(refused, by_user(self._refuse, suspended=True, limited=True), versions=_R0)
        for removed in (f"{mine}/delete", f"{mine}/unbind"):
            router.post(removed, by_user(self._remove), versions=_R0)
        for medium in ("email", "msisdn"):
            router.post(f"{mine}/{medium}/requestToken", self._refuse_medium, versions=_R0)
            router.post(
                f"{_V3}/account/password/{medium}/requestToken", self._refuse_unknown, versions=_R0
            )
            router.post(
                f"{_V3}/register/{medium}/requestToken", self._refuse_stranger, versions=_R0
            )

    async def _list(self, _request: Request, _requester: Requester) -> Response:
        return json_response({"threepids": []})

    async def _refuse(self, request: Request, _requester: Requester) -> Response:
        await request.fields()
        raise ThreepidDenied

    async def _remove(self, request: Request, _requester: Requester) -> Response:
        body = await request.fields()
        body.string("medium")
        body.string("address")
        return json_response({"id_server_unbind_result": "no-support"})

    async def _refuse_medium(self, request: Request) -> Response:
        self._rates.requests.check_stranger(request.client_address)
        await request.fields()
        raise ThreepidMediumNotSupported

    async def _refuse_unknown(self, request: Request) -> Response:
        self._rates.requests.check_stranger(request.client_address)
        await request.fields()
        raise ThreepidNotFound

    async def _refuse_stranger(self, request: Request) -> Response:
        self._rates.check_registration(request.client_address)
        await request.fields()
        raise ThreepidDenied
