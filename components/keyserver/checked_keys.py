"""Keys of an upload, checked before anything of it is stored."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from components.keyserver.settings import KeyServerSettings
from components.keyserver.store.claimable import ClaimableKey
from matrix.canonical import encode_canonical
from matrix.encryption_keys.device_keys import checked_claimable, checked_device_keys
from matrix.errors import InvalidParam, TooLarge
from matrix.identifiers import DeviceID, UserID

_NAME_BYTES_MAX: Final = 255


class KeyOwner(NamedTuple):
    """The device that keys are of."""

    user_id: UserID
    device_id: DeviceID
    number: int
    """Which of the devices that have had this ID it is."""
    display_name: str | None = None
    """Its name, where the upload says it before the user API does."""


class UploadedKeys(NamedTuple):
    """The keys of an upload as they came: objects by names, or nothing."""

    device_keys: Mapping[str, Any] | None
    one_time_keys: Mapping[str, Any]
    fallback_keys: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether the upload only asks how many keys there are."""
        return self.device_keys is None and not self.one_time_keys and not self.fallback_keys


class CheckedKeys(NamedTuple):
    """Keys of an upload, signatures checked."""

    device_keys: bytes | None
    checked_with: bytes | None
    """The identity keys by which signatures were checked."""
    one_time_keys: list[ClaimableKey]
    fallback_keys: list[ClaimableKey]


def check_sizes(upload: UploadedKeys, settings: KeyServerSettings) -> None:
    """Refuse too many keys or too large ones. Raises `TooLarge` and `InvalidParam`."""
    claimable = [*upload.one_time_keys.items(), *upload.fallback_keys.items()]
    if len(claimable) > settings.keys_per_upload_max:
        raise TooLarge(f"At most {settings.keys_per_upload_max} keys are taken at once.")
    for name, key in claimable:
        if len(name.encode()) > _NAME_BYTES_MAX or "\0" in name:
            raise InvalidParam("The ID of a key has a NUL in it or is too long.")
        _check_size(key, settings)
    if upload.device_keys is not None:
        _check_size(upload.device_keys, settings)


def _check_size(key: Any, settings: KeyServerSettings) -> None:
    if len(encode_canonical(key)) > settings.key_bytes_max:
        raise TooLarge(f"A key has at most {settings.key_bytes_max} bytes.")


def checked_keys(
    user_id: UserID, device_id: DeviceID, upload: UploadedKeys, stored: bytes | None
) -> CheckedKeys:
    """Return the keys of a device that has these identity keys, if any.

    Raises `InvalidParam`, `BadJson` and `KeySignatureInvalid`.
    """
    identity = None if stored is None else orjson.loads(stored)
    if upload.device_keys is not None:
        identity = checked_device_keys(upload.device_keys, user_id, device_id)

    def claimable(keys: Mapping[str, Any]) -> list[ClaimableKey]:
        return [
            ClaimableKey(
                *checked_claimable(name, key, user_id, device_id, identity),
                encode_canonical(key),
            )
            for name, key in keys.items()
        ]

    fallbacks = claimable(upload.fallback_keys)
    if len({one.algorithm for one in fallbacks}) < len(fallbacks):
        raise InvalidParam("There is one fallback key for each algorithm.")
    return CheckedKeys(
        None if upload.device_keys is None else encode_canonical(identity),
        stored,
        claimable(upload.one_time_keys),
        fallbacks,
    )
