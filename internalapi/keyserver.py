"""What other components ask the key server: keys of devices and users of this server."""

from typing import Any, Protocol

import msgspec

from matrix.identifiers import DeviceID, UserID


class FoundKeys(msgspec.Struct, frozen=True):
    """Keys of users of this server, in the shapes that the specification gives them."""

    device_keys: dict[UserID, dict[DeviceID, dict[str, Any]]]
    """Every user that was asked for is here, also those without devices."""
    master_keys: dict[UserID, dict[str, Any]]
    self_signing_keys: dict[UserID, dict[str, Any]]
    user_signing_keys: dict[UserID, dict[str, Any]]
    """Of the requester alone."""


class UserKeys(Protocol):
    """Keys of devices and users of this server: what was answered before a call is known."""

    async def query_keys(
        self, *, wanted: dict[UserID, list[DeviceID]], requester: UserID | None
    ) -> FoundKeys:
        """Return identity keys of devices, all of a user's where the list is empty.

        The requester also gets their user-signing key and the signatures that they made of others'
        keys; there is none where another server asks. Raises `Unavailable`.
        """
        ...

    async def perform_claim(
        self, *, wanted: dict[UserID, dict[DeviceID, str]]
    ) -> dict[UserID, dict[DeviceID, dict[str, Any]]]:
        """Take a one-time key of an algorithm of each device, each of which nobody else gets.

        Where none is left, its fallback key is given. Devices that have neither are missing. Raises
        `Unavailable`: some may be taken then.
        """
        ...


class KeyHistoryPage(msgspec.Struct, frozen=True):
    """A part of what the key server has announced and that still holds."""

    records: list[bytes]
    """Records of OutputKeyChange, encoded."""
    next_place: list[str] | None
    """Where the next part begins; `None` at the end."""


class KeyHistory(Protocol):
    """The keys of all users: readers are rebuilt from it. All parts begin after the empty place."""

    async def query_key_changes(self, *, after: list[str], limit: int) -> KeyHistoryPage:
        """Return identity keys of devices and users and counts of keys after a place.

        Who signed whose keys is not a part of it.
        """
        ...
