"""How often clients may ask of what the specification calls rate-limited."""

from base.clock import Clock
from base.limits import Rate, check, limiter_of, network_of
from matrix.identifiers import UserID


class RequestRates:
    """The limits of one component in this process, for users and for strangers."""

    def __init__(
        self, clock: Clock, *, per_user: Rate | None = None, per_network: Rate | None = None
    ) -> None:
        """Take the rates; without one there is no limit."""
        self._users = limiter_of(per_user, clock)
        self._networks = limiter_of(per_network, clock)

    def check_user(self, user_id: UserID) -> None:
        """Count a request of a user, whatever comes of it. Raises `LimitExceeded`."""
        check(self._users, user_id)

    def check_stranger(self, address: str) -> None:
        """Count a request from an address where no user is known. Raises `LimitExceeded`."""
        check(self._networks, network_of(address))
