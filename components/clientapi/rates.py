"""How often one user may write."""

from base.clock import Clock
from base.limits import RateLimiter
from components.clientapi.settings import ClientApiSettings, Rate
from matrix.identifiers import UserID


class Rates:
    """The limits of this process. Each raises `LimitExceeded`."""

    def __init__(self, settings: ClientApiSettings, clock: Clock) -> None:
        self._sends = _limiter(settings.send_rate_per_user, clock)
        self._joins = _limiter(settings.join_rate_per_user, clock)
        self._invites = _limiter(settings.invite_rate_per_user, clock)
        self._creations = _limiter(settings.creation_rate_per_user, clock)

    def check_send(self, user_id: UserID) -> None:
        """Count an event that a user sends."""
        if self._sends is not None:
            self._sends.check(user_id)

    def check_join(self, user_id: UserID) -> None:
        """Count a join or knock."""
        if self._joins is not None:
            self._joins.check(user_id)

    def check_invites(self, user_id: UserID, count: int = 1) -> None:
        """Count invites."""
        if self._invites is not None and count:
            self._invites.check(user_id, count)

    def check_creation(self, user_id: UserID) -> None:
        """Count a room."""
        if self._creations is not None:
            self._creations.check(user_id)


def _limiter(rate: Rate | None, clock: Clock) -> RateLimiter | None:
    return None if rate is None else RateLimiter(rate.per_second, rate.burst, clock)
