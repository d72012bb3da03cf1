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


OutputClientData = AccountDataChanged | ProfileChanged | TokensRevoked
