"""How often passwords may be tried and accounts registered."""

from typing import Final

from base.clock import Clock
from base.limits import check, limiter_of, network_of
from components.userapi.settings import UserApiSettings
from requesting.rates import RequestRates


class UserApiRates:
    """The limits of this process. Each raises `LimitExceeded`."""

    def __init__(self, settings: UserApiSettings, clock: Clock) -> None:
        self._login_address = limiter_of(settings.login_rate_per_address, clock)
        self._login_account = limiter_of(settings.login_rate_per_account, clock)
        self._login_tokens = limiter_of(settings.login_token_rate_per_user, clock)
        # Strangers have the rate of users, each network as if it were one.
        rate = settings.request_rate_per_user
        self.requests: Final = RequestRates(clock, per_user=rate, per_network=rate)
        self._reports = limiter_of(settings.report_rate_per_user, clock)
        self._registration_address = limiter_of(settings.registration_rate_per_address, clock)

    def check_login(self, address: str) -> None:
        """Count a login from an address."""
        check(self._login_address, network_of(address))

    @property
    def counts_accounts(self) -> bool:
        """Whether attempts to prove the password of an account are limited at all."""
        return self._login_account is not None

    def check_account(self, user_id: str, known_at: str | None) -> None:
        """Count an attempt to prove the password of an account.

        Attempts at a device or an address that is known for the account count by themselves:
        strangers cannot use up what its owner has.
        """
        check(self._login_account, user_id if known_at is None else f"{user_id} {known_at}")

    def check_registration(self, address: str) -> None:
        """Count a registration, or a question about one, from an address."""
        check(self._registration_address, network_of(address))

    def check_login_token(self, user_id: str) -> None:
        """Count a token that a user asks for to let another device in."""
        check(self._login_tokens, user_id)

    def check_report(self, user_id: str) -> None:
        """Count a report of a user."""
        check(self._reports, user_id)
