"""Who a client says to be, and whether its password says so too."""

from typing import Final

from base.http import Fields
from components.userapi.accounts import AccountService
from components.userapi.interactive_auth import Check
from components.userapi.rates import Rates
from components.userapi.tokens import Login, LoginRequest, Tokens
from matrix.errors import InvalidParam, MatrixError, MissingParam
from matrix.identifiers import UserID

_THIRD_PARTY: Final = frozenset({"m.id.thirdparty", "m.id.phone"})


class SomebodyElse(MatrixError):
    """You can prove to be nobody but yourself."""

    errcode = "M_FORBIDDEN"
    status = 403


class LoginService:
    """Logs users in by password."""

    def __init__(self, accounts: AccountService, tokens: Tokens, rates: Rates) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._rates = rates

    async def perform_login(self, body: Fields, request: LoginRequest) -> Login:
        """Log in as the body of the request asks. Raises `Forbidden` for wrong credentials."""
        if body.string("type") != "m.login.password":
            raise MatrixError("The server does not know this type of login.")
        self._rates.check_login(request.address or "")
        user_id = await self._check_password(body)
        return await self._tokens.perform_login(user_id, request)

    def password_check(self, user_id: UserID) -> Check:
        """Return the check of the interactive stage in which this user proves to be that user."""

        async def check(auth: Fields) -> None:
            user = _named_user(auth)
            if user is None or self._accounts.find_user_id(user) != user_id:
                raise SomebodyElse
            await self._check_password(auth)

        return check

    async def _check_password(self, fields: Fields) -> UserID:
        user = _named_user(fields)
        password = fields.string("password")
        user_id = None if user is None else self._accounts.find_user_id(user)
        if user_id is not None:
            self._rates.check_account(user_id)
        return await self._accounts.check_password(user_id, password)


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
