"""Who sends a request, and whether this kind of user may.

A route is for users in good standing unless it says otherwise: guests (client-server API, "Guest
Access") and suspended accounts ("Account suspension") are refused before anything else of the
request is read. Locked accounts are refused everywhere; logging out alone is no matter of this.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, TypeAlias

from base.http import Handler, Request, Response, StreamingResponse
from internalapi.userapi import Authentication, Requester
from matrix.errors import Forbidden, GuestAccessForbidden, UserSuspended
from requesting.rates import RequestRates

Answer: TypeAlias = Awaitable[Response | StreamingResponse]
UserHandler: TypeAlias = Callable[[Request, Requester], Answer]
AnybodyHandler: TypeAlias = Callable[[Request, Requester | None], Answer]


class Requesters:
    """Makes handlers of routes that know who asks, by the access token of the request."""

    def __init__(self, authentication: Authentication, rates: RequestRates) -> None:
        self._authentication: Final = authentication
        self._rates: Final = rates

    def by_user(
        self,
        handler: UserHandler,
        *,
        guests: bool = False,
        suspended: bool = False,
        limited: bool = False,
        owner: bool = False,
    ) -> Handler:
        """Return the handler of a route that a user asks.

        It is for guests and for suspended accounts only if that is said here. `limited` counts
        the request: for endpoints that the specification calls rate-limited. `owner` is for data
        of the user whom the path names. It raises `MissingToken`, `UnknownToken`, `UserLocked`,
        `GuestAccessForbidden`, `UserSuspended`, `LimitExceeded` and `Forbidden`, in this order.
        """
        query_token, count = self._authentication.query_token, self._rates.check_user

        @wraps(handler)
        async def answer(request: Request) -> Response | StreamingResponse:
            requester = await query_token(access_token=request.access_token)
            if not guests:
                require_user(requester)
            if not suspended:
                require_active(requester)
            if limited:
                count(requester.user_id)
            if owner and request.path["user_id"] != requester.user_id:
                raise Forbidden("This belongs to another user.")
            return await handler(request, requester)

        return answer

    def by_anybody(self, handler: AnybodyHandler, *, limited: bool = False) -> Handler:
        """Return the handler of a route that needs no access token; strangers are counted.

        With a token it is for guests and suspended accounts, too, who could leave it out.
        """
        rates = self._rates

        @wraps(handler)
        async def answer(request: Request) -> Response | StreamingResponse:
            if request.optional_access_token is None:
                rates.check_stranger(request.client_address)
                return await handler(request, None)
            requester = await self.still(request)
            if limited:
                rates.check_user(requester.user_id)
            return await handler(request, requester)

        return answer

    async def still(self, request: Request) -> Requester:
        """Return who sends a request whose answer takes its time, if the token holds still."""
        return await self._authentication.query_token(access_token=request.access_token)


def require_user(requester: Requester) -> None:
    """Raise `GuestAccessForbidden` for a guest, in what only a part of a route is for."""
    if requester.is_guest:
        raise GuestAccessForbidden("Guests cannot do this.")


def require_active(requester: Requester) -> None:
    """Raise `UserSuspended` for a suspended account, in what only a part of a route is for."""
    if requester.is_suspended:
        raise UserSuspended("Your account is suspended: you cannot do this.")
