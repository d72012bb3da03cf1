"""Who may register: anyone, holders of a token, guests, and scripts with the shared secret."""

import hashlib
import hmac
from typing import Final

import msgspec

from base.clock import Clock
from base.http import Fields
from components.userapi.accounts import AccountRequest, AccountService
from components.userapi.interactive_auth import (
    DUMMY,
    REGISTRATION_TOKEN,
    Authenticated,
    Check,
    Flows,
    InteractiveAuth,
)
from components.userapi.settings import RegistrationToken, UserApiSettings
from components.userapi.store.accounts import AccountStore, TokenUse, TokenUsedUp
from components.userapi.store.interactive import REGISTER, SessionOver
from components.userapi.store.registration_tokens import RegistrationTokenStore
from components.userapi.tokens import AccessTokens, Login, LoginRequest
from matrix.errors import (
    Forbidden,
    InvalidParam,
    InvalidUsername,
    MatrixError,
    MissingParam,
    UserInUse,
)
from matrix.identifiers import UserID

_NONCE_OPERATION: Final = "register with the shared secret"
_USER_TYPES: Final = frozenset({None, "bot", "support"})


class Registration(msgspec.Struct, frozen=True):
    """What a client asks for when it registers a user."""

    username: str | None
    password: str | None
    login: LoginRequest | None
    address: str
    """The network address that it comes from."""
    guest_access_token: str | None = None
    """The token of the guest who becomes this user; `None` for a new account."""


class RegistrationService:
    """Lets people in, as the settings say."""

    def __init__(
        self,
        accounts: AccountService,
        tokens: AccessTokens,
        store: AccountStore,
        made_tokens: RegistrationTokenStore,
        interactive_auth: InteractiveAuth,
        *,
        clock: Clock,
        settings: UserApiSettings,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._store = store
        self._made_tokens = made_tokens
        self._interactive_auth = interactive_auth
        self._clock = clock
        self._settings = settings
        self._set_tokens = {token.token: token for token in settings.registration_tokens}

    def check_open(self) -> None:
        """Raise `Forbidden` where nobody can register."""
        if self._settings.registration == "closed":
            raise Forbidden("Registration is disabled.")

    async def check_username(self, username: str) -> None:
        """Raise `InvalidUsername` or `UserInUse` for a name that nobody can register."""
        self.check_open()
        if username.startswith("_"):
            raise InvalidUsername("User names that begin with _ are those of application services.")
        await self._accounts.check_available(self._accounts.user_id_of(username.lower()))

    async def perform_register(
        self, registration: Registration, body: Fields
    ) -> tuple[UserID, Login | None]:
        """Register a user once the client has authenticated as the settings ask.

        A client that has not got the answer asks again, by the session that it had, and is logged
        in as the user whom it has registered.
        """
        self.check_open()
        repeated = await self._repeat(registration, body)
        if repeated is not None:
            return repeated
        try:
            return await self._register(registration, body)
        except (SessionOver, UserInUse):
            repeated = await self._repeat(registration, body)
            if repeated is None:
                raise
            return repeated

    async def _register(
        self, registration: Registration, body: Fields
    ) -> tuple[UserID, Login | None]:
        username = registration.username
        is_upgrade = registration.guest_access_token is not None
        if registration.guest_access_token is not None:
            await self._check_guest(registration.guest_access_token, username)
        elif username is not None:
            await self.check_username(username)
        self._accounts.check_password_strength(registration.password)
        if "auth" in body and registration.password is None:
            raise MissingParam("The field password is missing.")
        authenticated = await self._interactive_auth.authenticate(
            body,
            operation=REGISTER,
            user_id=None,
            flows=self._flows(),
            checks=self._checks(),
            address=registration.address,
        )
        return await self._accounts.create(
            AccountRequest(
                localpart=registration.username,
                password=registration.password,
                login=registration.login,
                interactive_session_id=authenticated.session_id,
                token_use=await self._token_use(authenticated),
                is_upgrade=is_upgrade,
            )
        )

    async def _repeat(
        self, registration: Registration, body: Fields
    ) -> tuple[UserID, Login | None] | None:
        """Log in as the user whom the session has registered; `None` where it has not this one.

        Raises `WrongCredentials` for another password than that of the account.
        """
        user_id = await self._interactive_auth.find_registered(body)
        username, password = registration.username, registration.password
        if user_id is None or password is None:
            return None
        if username is not None and self._accounts.find_user_id(username) != user_id:
            return None
        proven = await self._accounts.check_password(user_id, password)
        if registration.login is None:
            return user_id, None
        return user_id, await self._tokens.perform_login(proven, registration.login)

    async def _check_guest(self, access_token: str, username: str | None) -> None:
        if username is None:
            raise MissingParam("The field username is missing: it is the guest's.")
        guest = await self._tokens.query_token(access_token=access_token)
        if not guest.is_guest or guest.user_id != self._accounts.user_id_of(username):
            raise Forbidden("The guest_access_token is not that of a guest of this name.")

    async def perform_complete_stage(self, session_id: str, stage: str, form: Fields) -> None:
        """Complete a stage of a registration in a web browser.

        Raises `Unrecognized` for another stage than the next one, `NotFound` for a session that
        is not open, and what the check of the stage raises.
        """
        await self._interactive_auth.complete_elsewhere(
            Fields({**form.raw, "type": stage, "session": session_id}),
            operation=REGISTER,
            flows=self._flows(),
            checks=self._checks(),
        )

    def has_stage(self, stage: str) -> bool:
        """Return whether registrations have this stage."""
        return any(stage in flow for flow in self._flows())

    async def perform_register_guest(self, login: LoginRequest) -> tuple[UserID, Login | None]:
        """Make a guest account."""
        if not self._settings.guests_allowed:
            raise Forbidden("Guest access is disabled.")
        return await self._accounts.create(
            AccountRequest(localpart=None, password=None, login=login, is_guest=True)
        )

    async def query_token_valid(self, token: str) -> bool:
        """Return whether a registration token can be used now."""
        self.check_open()
        return await self._find_token(token) is not None

    async def open_nonce(self, address: str) -> str:
        """Return a nonce for a registration with the shared secret."""
        self._shared_secret()
        return await self._interactive_auth.open_nonce(_NONCE_OPERATION, address)

    async def perform_register_with_secret(
        self, fields: Fields, login: LoginRequest
    ) -> tuple[UserID, Login | None]:
        """Create an account for who knows the shared secret."""
        secret = self._shared_secret()
        nonce = fields.string("nonce")
        username, password = fields.string("username"), fields.string("password")
        is_admin = fields.boolean("admin", default=False)
        user_type = fields.optional_string("user_type")
        if user_type not in _USER_TYPES:
            raise InvalidParam("There is no such user type.")
        display_name = fields.optional_string("displayname")
        mac = fields.string("mac")
        if "\0" in username or "\0" in password:
            raise InvalidParam("A user name or password with a NUL cannot be signed.")
        if not await self._interactive_auth.take_nonce(nonce, _NONCE_OPERATION):
            raise MatrixError("The nonce is not known, or has expired.")
        wanted = _mac(
            secret, nonce, username, password, "admin" if is_admin else "notadmin", user_type
        )
        if not hmac.compare_digest(wanted.encode(), mac.encode()):
            raise Forbidden("The mac is wrong.")
        return await self._accounts.create(
            AccountRequest(
                localpart=username.lower(),
                password=password,
                login=login,
                is_admin=is_admin,
                user_type=user_type,
                display_name=display_name,
            )
        )

    def _shared_secret(self) -> str:
        if self._settings.registration_shared_secret is None:
            raise MatrixError("Registration with a shared secret is not enabled.")
        return self._settings.registration_shared_secret

    def _flows(self) -> Flows:
        return [[REGISTRATION_TOKEN if self._settings.registration == "token" else DUMMY]]

    def _checks(self) -> dict[str, Check]:
        return {DUMMY: _pass, REGISTRATION_TOKEN: self._check_token}

    async def _check_token(self, auth: Fields) -> str:
        token = auth.string("token")
        if await self._find_token(token) is None:
            raise Forbidden("The registration token is not valid.")
        return token

    async def _find_token(self, token: str) -> RegistrationToken | None:
        found = await self._known_token(token)
        if found is None:
            return None
        if found.expires_at_ms is not None and found.expires_at_ms <= self._clock.now_ms():
            return None
        if (
            found.uses_allowed is not None
            and await self._store.select_token_uses(token) >= found.uses_allowed
        ):
            return None
        return found

    async def _known_token(self, token: str) -> RegistrationToken | None:
        """Return a token of the settings, or one that an operator has made by command."""
        return self._set_tokens.get(token) or await self._made_tokens.select_token(token)

    async def _token_use(self, authenticated: Authenticated) -> TokenUse | None:
        token = authenticated.registration_token
        if token is None:
            return None
        found = await self._known_token(token)
        if found is None:
            raise TokenUsedUp("The registration token is not valid any more.")
        return TokenUse(token, found.uses_allowed)


async def _pass(_auth: Fields) -> None:
    """Complete the dummy stage, which asks for nothing."""


def _mac(secret: str, *parts: str | None) -> str:
    text = b"\0".join(part.encode() for part in parts if part is not None)
    # SHA-1 is what existing scripts sign with; as an HMAC it is not broken.
    return hmac.new(secret.encode(), text, hashlib.sha1).hexdigest()


def registration_of(body: Fields, login: LoginRequest) -> Registration:
    """Return what the body of a request to register asks for."""
    username = body.optional_string("username")
    is_login_wanted = not body.boolean("inhibit_login", default=False)
    return Registration(
        username=None if username is None else username.lower(),
        password=body.optional_string("password"),
        login=login if is_login_wanted else None,
        address=login.address or "",
        guest_access_token=body.optional_string("guest_access_token"),
    )
