"""Who a client says to be, and whether its password or token says so too."""

from typing import Any, Final

from base.http import Fields
from base.limits import network_of
from components.userapi.accounts import AccountService
from components.userapi.interactive_auth import PASSWORD, Check
from components.userapi.rates import UserApiRates
from components.userapi.settings import UserApiSettings
from components.userapi.special_tokens import SpecialTokens
from components.userapi.store.sessions import ProvenUser
from components.userapi.tokens import AccessTokens, Login, LoginRequest
from internalapi.userapi import Requester
from matrix.errors import AppserviceLoginUnsupported, InvalidParam, MatrixError, MissingParam
from matrix.identifiers import UserID

_TOKEN: Final = "m.login.token"  # noqa: S105 (the name of a type of login)
_APPSERVICE: Final = "m.login.application_service"
_THIRD_PARTY: Final = frozenset({"m.id.thirdparty", "m.id.phone"})


class SomebodyElse(MatrixError):
    """You can prove to be nobody but yourself."""

    errcode = "M_FORBIDDEN"
    status = 403


class LoginService:
    """Logs users in by password, or by a token that one of their devices was given."""

    def __init__(
        self,
        accounts: AccountService,
        tokens: AccessTokens,
        special_tokens: SpecialTokens,
        rates: UserApiRates,
        settings: UserApiSettings,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._special_tokens = special_tokens
        self._rates = rates
        self._with_tokens = settings.login_tokens

    def flows(self) -> list[dict[str, Any]]:
        """Return the types of login, as clients are told."""
        flows: list[dict[str, Any]] = [{"type": PASSWORD}]
        if self._with_tokens:
            flows.append({"type": _TOKEN, "get_login_token": True})
        return flows

    async def perform_login(self, body: Fields, request: LoginRequest) -> Login:
        """Log in as the body of the request asks.

        Raises `Forbidden` for wrong credentials, `UserDeactivated` and `UserLocked`.
        """
        kind = body.string("type")
        if kind == _APPSERVICE:
            raise AppserviceLoginUnsupported
        if kind != PASSWORD and not (kind == _TOKEN and self._with_tokens):
            raise MatrixError("The server does not know this type of login.")
        self._rates.check_login(request.address or "")
        if kind == _TOKEN:
            proven = await self._special_tokens.check_login_token(body.string("token"))
        else:
            proven = await self._check_password(body, request.address)
        return await self._tokens.perform_login(proven, request)

    def password_check(self, requester: Requester) -> Check:
        """Return the check of the stage in which the requester gives the password."""
        user_id = requester.user_id

        async def check(auth: Fields) -> None:
            user = _named_user(auth)
            if user is None or self._accounts.find_user_id(user) != user_id:
                raise SomebodyElse
            password = auth.string("password")
            self._rates.check_account(user_id, requester.device_id)
            await self._accounts.check_password(user_id, password)

        return check

    async def _check_password(self, fields: Fields, address: str | None) -> ProvenUser:
        user = _named_user(fields)
        password = fields.string("password")
        user_id = None if user is None else self._accounts.find_user_id(user)
        if user_id is not None and self._rates.counts_accounts:
            self._rates.check_account(user_id, await self._known_network(user_id, address or ""))
        return await self._accounts.check_password(user_id, password)

    async def _known_network(self, user_id: UserID, address: str) -> str | None:
        """Return the network that a login comes from if the user has logged in from it before."""
        known = map(network_of, await self._tokens.query_addresses(user_id))
        network = network_of(address)
        return network if network in known else None


def _named_user(fields: Fields) -> str | None:
    """Return the user ID or localpart that is given; `None` for a third-party ID.

    No account has a third-party ID yet, so that every one is unknown.
    """
    identifier = fields.optional_object("identifier")
    if identifier is None:
        user = fields.optional_string("user")
        if user is None and "address" not in fields:
            raise MissingParam("The field identifier is missing.")
        return user
    kind = identifier.string("type")
    if kind in _THIRD_PARTY:
        return None
    if kind != "m.id.user":
        raise InvalidParam("The server does not know this type of identifier.")
    return identifier.string("user")
