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


class TokensRevoked(msgspec.Struct, frozen=True, tag_field="record", tag="tokens_revoked"):
    """Access tokens of a device (or of all devices, when `None`) are no longer valid."""

    user_id: str
    device_id: str | None


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


OutputClientData = AccountDataChanged | ProfileChanged | TokensRevoked | AccountStatusChanged
