"""How often one user may write, or ask for what is dear."""

from base.clock import Clock
from base.limits import limiter_of
from components.clientapi.settings import ClientApiSettings
from matrix.identifiers import UserID


class ClientApiRates:
    """The limits of this process. Each raises `LimitExceeded`."""

    def __init__(self, settings: ClientApiSettings, clock: Clock) -> None:
        self._sends = limiter_of(settings.send_rate_per_user, clock)
        self._joins = limiter_of(settings.join_rate_per_user, clock)
        self._invites = limiter_of(settings.invite_rate_per_user, clock)
        self._creations = limiter_of(settings.creation_rate_per_user, clock)
        self._directory = limiter_of(settings.directory_rate_per_address, clock)
        self._requests = limiter_of(settings.request_rate_per_user, clock)

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

    def check_unknown_client(self, address: str) -> None:
        """Count a page of the directory for an address without an access token."""
        if self._directory is not None:
            self._directory.check(address)

    def check_request(self, user_id: UserID) -> None:
        """Count a request, whatever comes of it."""
        if self._requests is not None:
            self._requests.check(user_id)
