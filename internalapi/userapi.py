"""What other components ask the user API: who sends a request, and users' profiles."""

from typing import Any, Protocol

import msgspec

from matrix.identifiers import DeviceID, UserID


class Requester(msgspec.Struct, frozen=True):
    """Who a request comes from, by its access token."""

    user_id: UserID
    device_id: DeviceID
    is_guest: bool = False
    is_admin: bool = False


class NewAccount(msgspec.Struct, frozen=True):
    """A freshly registered account, with the token of its first device if one was wanted."""

    user_id: UserID
    device_id: DeviceID | None = None
    access_token: str | None = None


class Authentication(Protocol):
    """Recognises access tokens. Called on every request: the answer comes from memory."""

    async def query_token(self, *, access_token: str) -> Requester:
        """Return whose token it is. Raises `UnknownToken`, with `soft_logout` when it expired."""
        ...


class Accounts(Protocol):
    """Accounts of this server."""

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
        ...

    async def query_account_exists(self, *, user_id: UserID) -> bool:
        """Return whether the user ID belongs to an account of this server, active or not."""
        ...


class Profiles(Protocol):
    """Profiles of local users."""

    async def query_profile(self, *, user_id: UserID) -> dict[str, Any]:
        """Return the profile's fields (`displayname`, `avatar_url`, others). Raises `NotFound`."""
        ...

    async def perform_set_profile_field(
        self, *, user_id: UserID, field: str, value: Any
    ) -> bool:
        """Set a field, or remove it with `None`; false when nothing changed."""
        ...


class Filters(Protocol):
    """Filters that users have stored."""

    async def query_filter(self, *, user_id: UserID, filter_id: str) -> dict[str, Any]:
        """Return the filter as it was stored. Raises `NotFound`."""
        ...
