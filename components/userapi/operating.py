"""What operators do with accounts and registration tokens, in the server and beside it."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from base.clock import Clock
from components.userapi.accounts import AccountService
from components.userapi.deactivation import DeactivationService
from components.userapi.settings import RegistrationToken
from components.userapi.store.account_facts import AccountFacts, AccountFactsStore
from components.userapi.store.account_status import AccountStatus, AccountStatusStore
from components.userapi.store.devices import Device, DeviceStore
from components.userapi.store.registration_tokens import (
    RegistrationTokenStore,
    StoredRegistrationToken,
)
from components.userapi.store.user_data import AccountDataStore, ProfileStore
from matrix.errors import InvalidParam, NotFound
from matrix.identifiers import UserID
from matrix.unpadded_base64 import encode_base64_url_safe
from requesting.token_cache import TokenCache

_PAGE: Final = 500
_TOKEN_BYTES: Final = 12


class KeptData(NamedTuple):
    """What a user keeps with the server."""

    profile: dict[str, bytes]
    """JSON values by field."""
    account_data: list[tuple[str, str, bytes]]
    """Room ID (empty for none), type and JSON object; push rules and tags are among them."""


class OperatorService:
    """Accounts and registration tokens in the hands of who runs the server: all is allowed.

    Where it belongs to a command, a server that runs beside hears of every change from the
    database, within seconds.
    """

    def __init__(
        self,
        *,
        accounts: AccountService,
        facts: AccountFactsStore,
        status: AccountStatusStore,
        devices: DeviceStore,
        profiles: ProfileStore,
        account_data: AccountDataStore,
        tokens: RegistrationTokenStore,
        deactivations: DeactivationService,
        cache: TokenCache,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._accounts = accounts
        self._facts = facts
        self._status = status
        self._devices = devices
        self._profiles = profiles
        self._account_data = account_data
        self._tokens = tokens
        self._deactivations = deactivations
        self._cache = cache
        self._clock = clock
        self._random_bytes = random_bytes

    async def query_accounts(self) -> AsyncIterator[AccountFacts]:
        """Return all accounts, by user ID."""
        after = ""
        while page := await self.query_accounts_after(after, _PAGE):
            for account in page:
                yield account
            after = page[-1].user_id

    async def query_accounts_after(self, user_id: str, limit: int) -> Sequence[AccountFacts]:
        """Return accounts by user ID, those after this one."""
        return await self._facts.select_accounts(user_id, limit)

    async def query_account(self, user: str) -> tuple[AccountFacts, Sequence[Device]]:
        """Return an account and its devices. Raises `NotFound`."""
        facts = await self._found(user)
        return facts, await self._devices.select_devices(facts.user_id)

    async def query_kept(self, user: str) -> KeptData:
        """Return the profile and all account data of a user. Raises `NotFound`."""
        user_id = (await self._found(user)).user_id
        return KeptData(
            await self._profiles.select_profile(user_id) or {},
            await self._account_data.select_all_account_data(user_id),
        )

    async def perform_reset_password(self, user: str, password: str, *, logout: bool) -> None:
        """Set the password, and sign out all devices if asked to.

        Raises `NotFound` and `WeakPassword`.
        """
        user_id = await self._active(user)
        await self._accounts.reset_password(user_id, password, logout=logout)

    async def perform_set_status(
        self,
        user: str,
        *,
        is_admin: bool | None = None,
        is_locked: bool | None = None,
        is_suspended: bool | None = None,
    ) -> bool:
        """Set what holds for an account, all of it at once; `None` leaves it as it is.

        Returns false where it is so already. Raises `NotFound`, also for a deactivated account.
        """
        given = {"is_admin": is_admin, "is_locked": is_locked, "is_suspended": is_suspended}
        wanted = {name: value for name, value in given.items() if value is not None}

        def change(status: AccountStatus) -> AccountStatus:
            return msgspec.structs.replace(status, **wanted)

        user_id = await self._active(user)
        is_new = await self._status.change_status(user_id, change)
        # This process refuses at once; others do when they read what was announced.
        self._cache.forget(user_id, None)
        return is_new

    async def perform_deactivate(self, user: str, *, erase: bool) -> None:
        """End the account for good; a running server takes the user out of all rooms."""
        facts = await self._found(user)
        await self._deactivations.perform_deactivate(facts.user_id, erase=erase)

    async def query_registration_tokens(self) -> Sequence[StoredRegistrationToken]:
        """Return the tokens that were made by command, the oldest first."""
        return await self._tokens.select_tokens()

    async def perform_create_registration_token(
        self, token: str | None, *, uses_allowed: int | None, lifetime_s: int | None
    ) -> RegistrationToken:
        """Make a token, one that nobody can guess unless it is given. Raises `InvalidParam`."""
        now_ms = self._clock.now_ms()
        try:
            made = RegistrationToken(
                token or encode_base64_url_safe(self._random_bytes(_TOKEN_BYTES)),
                uses_allowed,
                None if lifetime_s is None else now_ms + lifetime_s * 1000,
            )
        except ValueError as error:
            raise InvalidParam(f"The token cannot be used: {error}.") from error
        if not await self._tokens.insert_token(made, now_ms):
            raise InvalidParam("There is such a token already.")
        return made

    async def perform_revoke_registration_token(self, token: str) -> None:
        """Make a token useless. Raises `NotFound`."""
        if not await self._tokens.delete_token(token):
            raise NotFound("There is no such registration token.")

    async def _found(self, user: str) -> AccountFacts:
        user_id = self._accounts.find_user_id(user)
        facts = None if user_id is None else await self._facts.select_account(user_id)
        if facts is None:
            raise NotFound(f"There is no account {user}.")
        return facts

    async def _active(self, user: str) -> UserID:
        facts = await self._found(user)
        if facts.is_deactivated:
            raise NotFound(f"The account {facts.user_id} is deactivated.")
        return facts.user_id
