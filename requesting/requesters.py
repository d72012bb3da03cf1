"""Who sends a request, and whether they may ask about the user in its path."""

from collections.abc import Callable

from base.http import Request
from internalapi.userapi import Authentication, Requester
from matrix.errors import Forbidden, GuestAccessForbidden
from matrix.identifiers import UserID


class Requesters:
    """Finds the requester of a request by its access token.

    What is named `limited` counts the request as well and may raise `LimitExceeded`: for the
    endpoints that the spec calls rate-limited.
    """

    def __init__(
        self, authentication: Authentication, count_request: Callable[[UserID], None]
    ) -> None:
        """Take what counts a user's request, whatever comes of it, and raises `LimitExceeded`."""
        self._authentication = authentication
        self._count_request = count_request

    async def requester_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who sends the request; guests only where the endpoint is for them as well.

        Raises `MissingToken`, `UnknownToken` and `GuestAccessForbidden`.
        """
        requester = await self._authentication.query_token(access_token=request.access_token)
        if requester.is_guest and not guests:
            raise GuestAccessForbidden("Guests cannot do this.")
        return requester

    async def limited_requester_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who sends the request, and count it."""
        requester = await self.requester_of(request, guests=guests)
        self._count_request(requester.user_id)
        return requester

    async def owner_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who sends the request, which is about their own data. Raises `Forbidden` too."""
        requester = await self.requester_of(request, guests=guests)
        _check_owner(request, requester)
        return requester

    async def limited_owner_of(self, request: Request, *, guests: bool = False) -> Requester:
        """Return who changes their own data, and count it. Raises `Forbidden` too."""
        requester = await self.limited_requester_of(request, guests=guests)
        _check_owner(request, requester)
        return requester


def _check_owner(request: Request, requester: Requester) -> None:
    if request.path["user_id"] != requester.user_id:
        raise Forbidden("This belongs to another user.")
