"""How often passwords may be tried and accounts registered."""

from base.clock import Clock
from base.limits import check, limiter_of
from components.userapi.settings import UserApiSettings


class Rates:
    """The limits of this process. Each raises `LimitExceeded`."""

    def __init__(self, settings: UserApiSettings, clock: Clock) -> None:
        self._login_address = limiter_of(settings.login_rate_per_address, clock)
        self._login_account = limiter_of(settings.login_rate_per_account, clock)
        self._registration_address = limiter_of(settings.registration_rate_per_address, clock)

    def check_login(self, address: str) -> None:
        """Count a login from an address."""
        check(self._login_address, address)

    def check_account(self, user_id: str) -> None:
        """Count an attempt to prove the password of an account."""
        check(self._login_account, user_id)

    def check_registration(self, address: str) -> None:
        """Count a registration, or a question about one, from an address."""
        check(self._registration_address, address)
