"""Who sends a request."""

from base.http import Request
from components.clientapi.rates import Rates
from internalapi.userapi import Authentication, Requester
from matrix.errors import Forbidden, GuestAccessForbidden


class Requesters:
    """Finds the requester of a request by its access token.

    What is named `limited` counts the request as well and may raise `LimitExceeded`: for the
    endpoints that the spec calls rate-limited.
    """

    def __init__(self, authentication: Authentication, rates: Rates) -> None:
        self._authentication = authentication
        self._rates = rates

    async def member_or_guest(self, request: Request) -> Requester:
        """Return who sends the request, guests included. Raises `MissingToken`, `UnknownToken`."""
        return await self._authentication.query_token(access_token=request.access_token)

    async def member(self, request: Request) -> Requester:
        """Return who sends the request, unless a guest; for them `GuestAccessForbidden`."""
        requester = await self._authentication.query_token(access_token=request.access_token)
        if requester.is_guest:
            raise GuestAccessForbidden("Guests cannot do this.")
        return requester

    async def limited_member_or_guest(self, request: Request) -> Requester:
        """Return who sends the request, guests included."""
        requester = await self.member_or_guest(request)
        self._rates.check_request(requester.user_id)
        return requester

    async def limited_member(self, request: Request) -> Requester:
        """Return who sends the request, unless a guest."""
        requester = await self.member(request)
        self._rates.check_request(requester.user_id)
        return requester

    async def limited_owner(self, request: Request) -> Requester:
        """Return who sends the request, guests included, if the path names the same user."""
        requester = await self.limited_member_or_guest(request)
        if request.path["user_id"] != requester.user_id:
            raise Forbidden("This belongs to another user.")
        return requester
