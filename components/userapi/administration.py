"""What administrators ask and decide about the accounts of others."""

from collections.abc import Callable

import msgspec

from components.userapi.store.account_status import AccountStatus, AccountStatusStore
from components.userapi.store.devices import Device, DeviceStore
from internalapi.userapi import Requester
from matrix.errors import Forbidden, InvalidParam, NotFound
from matrix.identifiers import ServerName, UserID, parse_user_id, server_of
from requesting.token_cache import TokenCache

Change = Callable[[AccountStatus], AccountStatus]


def locked(status: AccountStatus, *, is_locked: bool) -> AccountStatus:
    """Return the status of the account locked or unlocked."""
    return msgspec.structs.replace(status, is_locked=is_locked)


def suspended(status: AccountStatus, *, is_suspended: bool) -> AccountStatus:
    """Return the status of the account suspended or back in use."""
    return msgspec.structs.replace(status, is_suspended=is_suspended)


class AdministrationService:
    """Looks up, locks and suspends accounts.

    Who may not do so learns nothing of which accounts there are.
    """

    def __init__(
        self,
        store: AccountStatusStore,
        devices: DeviceStore,
        cache: TokenCache,
        server_name: ServerName,
    ) -> None:
        self._store = store
        self._devices = devices
        self._cache = cache
        self._server_name = server_name

    async def query_devices(self, requester: Requester, user: str) -> tuple[UserID, list[Device]]:
        """Return the devices of the requester, or for an administrator those of any user.

        Raises `Forbidden`, `InvalidParam` and `NotFound`.
        """
        if user != requester.user_id:
            self._check_admin(requester)
        user_id = self._local(user)
        if await self._store.select_status(user_id) is None:
            raise NotFound("There is no such user.")
        return user_id, await self._devices.select_devices(user_id)

    async def query_status(self, requester: Requester, user: str) -> AccountStatus:
        """Return what holds for an account. Raises `Forbidden`, `InvalidParam`, `NotFound`."""
        self._check_admin(requester)
        user_id = self._local(user)
        status = await self._store.select_status(user_id)
        if status is None:
            raise NotFound("There is no such user.")
        if status.is_admin and user_id != requester.user_id:
            raise Forbidden("This user is an administrator too.")
        return status

    async def perform_change_status(
        self, requester: Requester, user: str, change: Change
    ) -> AccountStatus:
        """Change what holds for an account, at once for all of its tokens.

        Raises `Forbidden`, also for the own account, `InvalidParam` and `NotFound`.
        """
        status = await self.query_status(requester, user)
        if status.is_admin:
            raise Forbidden("An administrator's own account stays as it is.")
        user_id = UserID(user)
        await self._store.change_status(user_id, change)
        self._cache.forget(user_id, None)
        return change(status)

    def _check_admin(self, requester: Requester) -> None:
        if not requester.is_admin:
            raise Forbidden("You are not an administrator of this server.")

    def _local(self, user: str) -> UserID:
        user_id = parse_user_id(user)
        if server_of(user_id) != self._server_name:
            raise InvalidParam("The user does not belong to this server.")
        return user_id
