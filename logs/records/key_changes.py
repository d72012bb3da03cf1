"""What the key server tells of keys: the records of OutputKeyChange."""

import msgspec


class DeviceKeysChanged(msgspec.Struct, frozen=True, tag_field="record", tag="device_keys"):
    """A device's identity keys are these now: who shares a room with the user has to ask for them.

    Signatures count as a part of the keys.
    """

    user_id: str
    device_id: str
    keys: bytes | None
    """`DeviceKeys` of the specification, a JSON object without `unsigned`; `None` when they are
    gone with the device."""


class CrossSigningKeysChanged(msgspec.Struct, frozen=True, tag_field="record", tag="cross_signing"):
    """A user's cross-signing keys, or their own signatures of them, are these now."""

    user_id: str
    master_key: bytes | None
    """`CrossSigningKey` of the specification, a JSON object as everybody may see it; `None` where
    there is none any more."""
    self_signing_key: bytes | None
    """In the same way."""


class UserSignaturesChanged(msgspec.Struct, frozen=True, tag_field="record", tag="user_signatures"):
    """A user has signed the master keys of others: only the signer is told, of these users."""

    user_id: str
    """Who signed."""
    signed_user_ids: list[str]


class KeyCountsChanged(msgspec.Struct, frozen=True, tag_field="record", tag="key_counts"):
    """How many keys of a device can be claimed. It does not change the list of devices."""

    user_id: str
    device_id: str
    one_time_keys: dict[str, int]
    """How many there are by algorithm. Where all are claimed, `signed_curve25519` says 0."""
    unused_fallback_types: list[str]
    """The algorithms whose fallback key was given to nobody yet, in order."""


OutputKeyChange = (
    DeviceKeysChanged | CrossSigningKeysChanged | UserSignaturesChanged | KeyCountsChanged
)
