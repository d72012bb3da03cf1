"""Who sends a request."""

from base.http import Request
from internalapi.userapi import Authentication, Requester
from matrix.errors import Forbidden, GuestAccessForbidden


class Requesters:
    """Finds the requester of a request by its access token."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication

    async def member_or_guest(self, request: Request) -> Requester:
        """Return who sends the request, guests included. Raises `MissingToken`, `UnknownToken`."""
        return await self._authentication.query_token(access_token=request.access_token)

    async def member(self, request: Request) -> Requester:
        """Return who sends the request, unless a guest; for them `GuestAccessForbidden`."""
        requester = await self._authentication.query_token(access_token=request.access_token)
        if requester.is_guest:
            raise GuestAccessForbidden("Guests cannot do this.")
        return requester

    async def owner(self, request: Request) -> Requester:
        """Return who sends the request, guests included, if the path names the same user."""
        requester = await self.member_or_guest(request)
        if request.path["user_id"] != requester.user_id:
            raise Forbidden("This belongs to another user.")
        return requester
