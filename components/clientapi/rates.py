"""How often one user may write, or ask for what is dear."""

from typing import Final

from base.clock import Clock
from base.limits import check, limiter_of
from components.clientapi.settings import ClientApiSettings
from matrix.identifiers import UserID
from requesting.rates import RequestRates


class ClientApiRates:
    """The limits of this process. Each raises `LimitExceeded`."""

    def __init__(self, settings: ClientApiSettings, clock: Clock) -> None:
        self._sends = limiter_of(settings.send_rate_per_user, clock)
        self._joins = limiter_of(settings.join_rate_per_user, clock)
        self._invites = limiter_of(settings.invite_rate_per_user, clock)
        self._creations = limiter_of(settings.creation_rate_per_user, clock)
        self._to_device = limiter_of(settings.to_device_rate_per_user, clock)
        self.requests: Final = RequestRates(
            clock,
            per_user=settings.request_rate_per_user,
            per_network=settings.directory_rate_per_address,
        )

    def check_send(self, user_id: UserID) -> None:
        """Count an event that a user sends."""
        check(self._sends, user_id)

    def check_join(self, user_id: UserID) -> None:
        """Count a join or knock."""
        check(self._joins, user_id)

    def check_invites(self, user_id: UserID, count: int = 1) -> None:
        """Count invites."""
        if self._invites is not None and count:
            self._invites.check(user_id, count)

    def check_creation(self, user_id: UserID) -> None:
        """Count a room."""
        check(self._creations, user_id)

    def check_to_device(self, user_id: UserID) -> None:
        """Count a request that sends to devices."""
        check(self._to_device, user_id)
