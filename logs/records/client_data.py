"""What the user API tells its readers: the records of OutputClientData."""

import msgspec


class AccountDataChanged(
    msgspec.Struct, frozen=True, tag_field="record", tag="account_data", omit_defaults=True
):
    """A user's account data of one type has new content."""

    user_id: str
    type: str
    content: bytes
    """JSON object."""
    room_id: str | None = None
    """The room that it belongs to; `None` for global account data."""


class ProfileChanged(msgspec.Struct, frozen=True, tag_field="record", tag="profile"):
    """A local user's profile field has a new value."""

    user_id: str
    field: str
    value: bytes
    """JSON value; `null` when the field was removed."""


class DeviceChanged(msgspec.Struct, frozen=True, tag_field="record", tag="device"):
    """A user has logged in on a new device, or has named one."""

    user_id: str
    device_id: str
    number: int
    """Each new device of a user has a greater one, whatever its ID: one that is logged in again
    after it was removed is another device."""
    display_name: str | None = None


class TokensRevoked(msgspec.Struct, frozen=True, tag_field="record", tag="tokens_revoked"):
    """Access tokens of a device (or of all devices, when `None`) are no longer valid."""

    user_id: str
    device_id: str | None
    removed_up_to: int | None = None
    """Where not only tokens are gone but devices: those with numbers up to this one, of this ID or,
    without one, of the user."""


class AccountStatusChanged(msgspec.Struct, frozen=True, tag_field="record", tag="account_status"):
    """An account was deactivated, locked, suspended, upgraded from a guest's, or the like.

    What was remembered of its access tokens has to be asked again.
    """

    user_id: str
    is_deactivated: bool
    is_erased: bool
    """Whether who sees the user's events for the first time sees them redacted."""
    is_locked: bool
    is_suspended: bool


OutputClientData = (
    AccountDataChanged | ProfileChanged | DeviceChanged | TokensRevoked | AccountStatusChanged
)
