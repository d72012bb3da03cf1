"""Who sends a request, and whether they may ask about the user in its path."""

from base.http import Request
from components.userapi.rates import Rates
from internalapi.userapi import Authentication, Requester
from matrix.errors import Forbidden, GuestAccessForbidden


class Requesters:
    """Finds the requester of a request by its access token."""

    def __init__(self, authentication: Authentication, rates: Rates) -> None:
        self._authentication = authentication
        self._rates = rates

    async def requester_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who sends the request; guests only where the endpoint is for them as well.

        Raises `MissingToken`, `UnknownToken` and `GuestAccessForbidden`.
        """
        requester = await self._authentication.query_token(access_token=request.access_token)
        if requester.is_guest and not guests:
            raise GuestAccessForbidden("Guests cannot do this.")
        return requester

    async def limited_requester_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who sends the request, and count it: for what the spec calls rate-limited.

        Raises `LimitExceeded` too.
        """
        requester = await self.requester_of(request, guests=guests)
        self._rates.check_request(requester.user_id)
        return requester

    async def owner_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who sends the request, which is about their own data. Raises `Forbidden` too."""
        requester = await self.requester_of(request, guests=guests)
        if request.path["user_id"] != requester.user_id:
            raise Forbidden("This belongs to another user.")
        return requester

    async def limited_owner_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who changes their own data, and count it. Raises `LimitExceeded` too."""
        owner = await self.owner_of(request, guests=guests)
        self._rates.check_request(owner.user_id)
        return owner
