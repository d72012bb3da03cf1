"""Accounts: made, asked about, and their passwords checked and changed."""

import base64
from collections.abc import Callable
from typing import Final

import msgspec

from base.clock import Clock
from components.userapi.passwords import Passwords
from components.userapi.settings import UserApiSettings
from components.userapi.store.accounts import Account, AccountStore, StoredAccount, TokenUse
from components.userapi.store.sessions import ProvenUser, WrongCredentials
from components.userapi.tokens import AccessTokens, Login, LoginRequest
from internalapi.userapi import NewAccount
from matrix.canonical import encode_canonical
from matrix.errors import (
    InvalidParam,
    InvalidUsername,
    UserDeactivated,
    UserInUse,
    WeakPassword,
)
from matrix.identifiers import ServerName, UserID, is_valid_new_localpart, parse_user_id
from matrix.push_rules.predefined import default_push_rules

_GENERATED_BYTES: Final = 10


class AccountRequest(msgspec.Struct, frozen=True):
    """An account that somebody wants to have."""

    localpart: str | None
    """`None` for one that the server makes up."""
    password: str | None
    login: LoginRequest | None
    """The first login, if one is wanted."""
    is_guest: bool = False
    is_admin: bool = False
    user_type: str | None = None
    display_name: str | None = None
    """`None` for the localpart."""
    interactive_session_id: str | None = None
    token_use: TokenUse | None = None
    is_upgrade: bool = False
    """Whether it is a guest's account that becomes a user's."""


class AccountService:
    """The accounts of this server."""

    def __init__(
        self,
        store: AccountStore,
        tokens: AccessTokens,
        passwords: Passwords,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        *,
        server_name: ServerName,
        settings: UserApiSettings,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._passwords = passwords
        self._clock = clock
        self._random_bytes = random_bytes
        self._server_name = server_name
        self._password_length_min = settings.password_length_min

    async def perform_create_account(
        self,
        *,
        localpart: str,
        password: str | None,
        is_admin: bool = False,
        display_name: str | None = None,
        with_device: bool = True,
    ) -> NewAccount:
        """Create an account. Raises `UserInUse`, `InvalidUsername`, `WeakPassword`."""
        await self.check_available(self.user_id_of(localpart))
        user_id, login = await self.create(
            AccountRequest(
                localpart=localpart,
                password=password,
                login=LoginRequest() if with_device else None,
                is_admin=is_admin,
                display_name=display_name,
            )
        )
        if login is None:
            return NewAccount(user_id=user_id)
        return NewAccount(
            user_id=user_id, device_id=login.device_id, access_token=login.access_token
        )

    async def query_account_exists(self, *, user_id: UserID) -> bool:
        """Return whether the user ID belongs to an account of this server, not deactivated."""
        account = await self._store.select_account(user_id)
        return account is not None and not account.is_deactivated

    async def query_guests(self, *, user_ids: list[UserID]) -> list[UserID]:
        """Return those of the users who are guests of this server, in the order given."""
        guests = await self._store.select_guests(user_ids)
        return [user_id for user_id in user_ids if user_id in guests]

    async def create(self, request: AccountRequest) -> tuple[UserID, Login | None]:
        """Create an account, durable on return, and log in on its first device if asked.

        Raises `UserInUse`, after the password is hashed, which takes long: who has not asked
        `check_available` does so before.
        """
        localpart = request.localpart
        user_id = self.user_id_of(self._generated_localpart() if localpart is None else localpart)
        self.check_password_strength(request.password)
        password_hash = None
        if request.password is not None:
            password_hash = await self._passwords.hash(request.password)
        session, login = None, None
        if request.login is not None:
            session, login = self._tokens.new_login(ProvenUser(user_id), request.login)
        await self._store.insert_account(
            StoredAccount(
                user_id=user_id,
                password_hash=password_hash,
                is_guest=request.is_guest,
                is_admin=request.is_admin,
                user_type=request.user_type,
                display_name=_display_name(request, user_id),
                push_rules=encode_canonical(default_push_rules(user_id)),
                now_ms=self._clock.now_ms(),
                session=session,
                interactive_session_id=request.interactive_session_id,
                token_use=request.token_use,
                is_upgrade=request.is_upgrade,
            )
        )
        self._tokens.cache.forget(user_id, None)
        return user_id, login

    def user_id_of(self, localpart: str) -> UserID:
        """Return the user ID of a new account. Raises `InvalidUsername`."""
        if not is_valid_new_localpart(localpart):
            raise InvalidUsername("A user name has only a-z, 0-9 and ._=-/+ in it.")
        try:
            return parse_user_id(f"@{localpart}:{self._server_name}")
        except InvalidParam as error:
            raise InvalidUsername("The user name is too long.") from error

    async def check_available(self, user_id: UserID) -> None:
        """Raise `UserInUse` if the account exists."""
        if await self._store.select_account(user_id) is not None:
            raise UserInUse

    def check_password_strength(self, password: str | None) -> None:
        """Raise `WeakPassword` for one that is too short."""
        if password is not None and len(password) < self._password_length_min:
            raise WeakPassword(
                f"The password has to have at least {self._password_length_min} characters."
            )

    def find_user_id(self, user: str) -> UserID | None:
        """Return the local user ID that a user ID or a localpart stands for, or `None`.

        Capitals of the localpart don't matter: accounts are made in lower case.
        """
        localpart, server_name = user.lower(), self._server_name
        if user.startswith("@"):
            localpart, _, given = user[1:].partition(":")
            localpart, server_name = localpart.lower(), ServerName(given)
        if server_name != self._server_name or not is_valid_new_localpart(localpart):
            return None
        return UserID(f"@{localpart}:{server_name}")

    async def check_password(self, user_id: UserID | None, password: str) -> ProvenUser:
        """Return the user whose password this is.

        Raises `WrongCredentials` and `UserDeactivated`.

        Neither the answer nor its time tells whether there is such an account, unless it was
        deactivated.
        """
        account: Account | None = None
        if user_id is not None:
            account = await self._store.select_account(user_id)
        password_hash = None if account is None else account.password_hash
        is_password = await self._passwords.check(password, password_hash)
        if account is not None and account.is_deactivated:
            raise UserDeactivated
        if not is_password or user_id is None:
            raise WrongCredentials
        return ProvenUser(user_id, password_hash=password_hash)

    async def change_password(
        self,
        user_id: UserID,
        password: str,
        *,
        interactive_session_id: str | None,
        logout_all_but: str | None,
    ) -> None:
        """Set the password, and log out of all devices but one, unless that is `None`."""
        self.check_password_strength(password)
        deleted = await self._store.update_password(
            user_id,
            await self._passwords.hash(password),
            interactive_session_id=interactive_session_id,
            logout_all_but=logout_all_but,
        )
        self._tokens.forget(user_id, deleted)

    async def reset_password(self, user_id: UserID, password: str, *, logout: bool) -> None:
        """Set the password in the user's stead, and log out of all devices if asked to.

        Raises `WeakPassword`.
        """
        await self.change_password(
            user_id,
            password,
            interactive_session_id=None,
            logout_all_but="" if logout else None,
        )

    def _generated_localpart(self) -> str:
        return base64.b32encode(self._random_bytes(_GENERATED_BYTES)).decode().lower()


def _display_name(request: AccountRequest, user_id: UserID) -> bytes | None:
    if request.is_guest:
        return None
    name = request.display_name
    return encode_canonical(user_id[1:].partition(":")[0] if name is None else name)
