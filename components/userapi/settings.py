"""What an operator can set about accounts, logins and what users store."""

import re
from typing import Any, Final, Literal

import msgspec

from base.limits import Rate

_token: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_BCRYPT_COSTS: Final = range(4, 32)
_RECORD_SIZE_MAX: Final = 524_288
_AT_LEAST_ONE: Final = (
    "password_threads",
    "login_token_lifetime_s",
    "openid_token_lifetime_s",
    "interactive_session_lifetime_s",
    "interactive_sessions_max",
    "devices_max",
    "filters_max",
    "account_data_types_max",
    "account_data_bytes_max",
    "reports_per_user_max",
    "token_cache_size",
    "filter_cache_size",
)


DirectoryScope = Literal["shared", "all", "exact"]


class RegistrationToken(msgspec.Struct, frozen=True):
    """A token that an operator hands out to let people register."""

    token: str
    """1 to 64 characters of A-Z, a-z, 0-9 and `._~-`."""
    uses_allowed: int | None = None
    """How many accounts it is good for; `None` for any number."""
    expires_at_ms: int | None = None
    """When it stops being valid, in milliseconds since the Unix epoch; `None` for never."""

    def __post_init__(self) -> None:
        """Refuse a token that clients could not send."""
        if _token.fullmatch(self.token) is None:
            raise ValueError("a registration token has 1 to 64 characters of A-Z a-z 0-9 . _ ~ -")


class SupportContact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A contact of the operator, for users and other servers."""

    role: str = "m.role.admin"
    """`m.role.admin`, `m.role.security`, or a role in your own namespace."""
    matrix_id: str | None = None
    """The user ID of the contact; here or on another server."""
    email_address: str | None = None
    """The email address of the contact."""


class UserApiSettings(msgspec.Struct, frozen=True):
    """The settings of the user API. Lifetimes are in seconds, sizes in bytes."""

    registration: Literal["open", "token", "closed"] = "closed"
    """Who may register: anyone, holders of a registration token, or nobody."""
    registration_tokens: tuple[RegistrationToken, ...] = ()
    """Tokens that `registration = "token"` accepts, beside those that `xylem registration-token`
    makes."""
    registration_shared_secret: str | None = None
    """Lets scripts that know it create accounts and administrators; `None` for no such way."""
    guests_allowed: bool = False
    """Whether guest accounts can be made."""
    public_base_url: str | None = None
    """Where clients reach this server, for `/.well-known/matrix/client`; `None` for no answer."""
    support_contacts: tuple[SupportContact, ...] = ()
    """Contacts of the operator, for `/.well-known/matrix/support`. Each has a user ID or an
    address."""
    support_page: str | None = None
    """The address of a page with help, for the same answer; without both there is none."""
    user_directory: DirectoryScope = "shared"
    """Users that a search in the directory finds: `shared` for users of this server, by parts of
    their names, that share a room with the searching user or are in a public room; `all` for all
    users of this server; `exact` for a user whose whole user ID is searched for."""
    login_tokens: bool = True
    """Whether users can let another device in by a token that one of their devices asks for."""

    bcrypt_cost: int = 12
    """The cost of a password hash: 2 to this power rounds; 4 to 31."""
    password_threads: int = 2
    """How many passwords are hashed at the same time."""
    passwords_waiting_max: int = 100
    """How many passwords may wait to be hashed before logins are told to come back later."""
    password_length_min: int = 8
    """The shortest password accepted, in characters."""

    access_token_lifetime_s: int | None = None
    """How long access tokens of clients that don't refresh them live; `None` for ever. For a year
    after its end a token is answered with `soft_logout`, so that its client keeps its keys."""
    refreshable_access_token_lifetime_s: int | None = 300
    """How long access tokens of clients that refresh them live; `None` for ever."""
    refresh_token_lifetime_s: int | None = None
    """How long a refresh token can wait to be used; `None` for ever."""
    login_token_lifetime_s: int = 120
    """How long a token that lets another device in is valid."""
    openid_token_lifetime_s: int = 3600
    """How long an OpenID token is valid, which proves to other services which user it is."""
    interactive_session_lifetime_s: int = 3600
    """How long an interactive authentication, or a nonce, stays open."""
    interactive_sessions_max: int = 10_000
    """How many of them are kept; more end the oldest of the user or address with most of them."""

    devices_max: int = 1000
    """How many devices a user may have; further logins are refused."""
    filters_max: int = 200
    """How many filters are kept per user; the oldest gives way."""
    filter_size_max: int = 16_384
    """The largest filter."""
    account_data_size_max: int = 65_536
    """The largest account data of one type; at most 524288, so that it fits into a log record."""
    account_data_types_max: int = 10_000
    """How many pieces of account data a user may have, those of all rooms together."""
    account_data_bytes_max: int = 8_388_608
    """The size of all account data of a user together, with tags and push rules."""

    token_cache_size: int = 50_000
    """How many access tokens are known from memory."""
    filter_cache_size: int = 10_000
    """How many filters of up to 256 bytes are known from memory; a larger one counts as several."""
    revocation_lease_s: float = 0.5
    """For how long, on Kafka, a process takes access tokens from memory before it asks the log
    again whether some were revoked. Logging out, a new password and the like are answered that much
    later: from then on no process takes the tokens. The same for all processes; 0 answers at once,
    and processes hear of it some milliseconds later."""
    last_seen_interval_s: float = 60.0
    """How often it is written down when devices were last seen."""
    announce_timeout_s: float = 10.0
    """How long a change waits to be in the log, so that every client sees it, before it is answered
    with 503. It is stored all the same, and seen once the log takes it."""

    login_rate_per_address: Rate | None = Rate(per_second=0.5, burst=20)
    """Login attempts from one network address; `None` for no limit, as for the other rates."""
    login_rate_per_account: Rate | None = Rate(per_second=0.2, burst=10)
    """Attempts to prove the password of one account; those at each of its devices, and from each
    address that it has logged in from, count by themselves."""
    registration_rate_per_address: Rate | None = Rate(per_second=0.2, burst=10)
    """Registrations, and questions whether a name or token is valid, from one address."""
    login_token_rate_per_user: Rate | None = Rate(per_second=0.02, burst=5)
    """Tokens for further devices that one user asks for."""
    report_rate_per_user: Rate | None = Rate(per_second=0.1, burst=20)
    """Reports of one user."""
    report_reason_characters_max: int = 10_000
    """Characters of the reason of a report."""
    reports_max: int = 100_000
    """Reports that are kept for the administrators; the oldest ones make room."""
    reports_per_user_max: int = 500
    """Reports of one user that are kept; their oldest ones make room."""
    request_rate_per_user: Rate | None = Rate(per_second=10, burst=100)
    """Searches in the directory, changes of push rules, account data, tags, filters and of the
    account, OpenID tokens and the like by one user; refreshed access tokens, and questions how to
    log in, from one address."""

    def __post_init__(self) -> None:
        """Refuse what the server could not run with."""
        if self.bcrypt_cost not in _BCRYPT_COSTS:
            raise ValueError("bcrypt_cost is between 4 and 31")
        if self.account_data_size_max > _RECORD_SIZE_MAX:
            raise ValueError(f"account_data_size_max is at most {_RECORD_SIZE_MAX}")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1")
        if any(not one.matrix_id and not one.email_address for one in self.support_contacts):
            raise ValueError("each of support_contacts has a matrix_id or an email_address")

    @property
    def well_known(self) -> dict[str, Any] | None:
        """What `/.well-known/matrix/client` and logins tell of the server; `None` for nothing."""
        if self.public_base_url is None:
            return None
        return {"m.homeserver": {"base_url": self.public_base_url}}

    @property
    def support(self) -> dict[str, Any] | None:
        """What `/.well-known/matrix/support` tells; `None` for nothing."""
        answer: dict[str, Any] = {}
        if self.support_contacts:
            answer["contacts"] = [
                {name: value for name, value in msgspec.structs.asdict(one).items() if value}
                for one in self.support_contacts
            ]
        if self.support_page is not None:
            answer["support_page"] = self.support_page
        return answer or None
