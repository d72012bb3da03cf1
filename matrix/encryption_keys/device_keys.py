"""Identity keys, one-time keys and fallback keys of a device, as clients upload them."""

from collections.abc import Mapping
from typing import Any, Final

from matrix.encryption_keys.signed_keys import check_signature, signatures_by, with_signatures
from matrix.errors import BadJson, InvalidParam
from matrix.signing import ED25519, bare, decode_verify_key

SIGNED_CURVE25519: Final = "signed_curve25519"


def checked_device_keys(keys: Mapping[str, Any], user_id: str, device_id: str) -> dict[str, Any]:
    """Return the identity keys of a device, with the signature by itself and no other.

    Raises `InvalidParam` where they are of another device, `BadJson` for another shape, and
    `KeySignatureInvalid`.
    """
    if (keys.get("user_id"), keys.get("device_id")) != (user_id, device_id):
        raise InvalidParam("The device keys are not those of the device that uploads them.")
    if not _are_strings(keys.get("algorithms")) or not _are_named_strings(keys.get("keys")):
        raise BadJson("The device keys need a list of algorithms, and keys by their IDs.")
    key_id = f"{ED25519}:{device_id}"
    public_key = signing_key_of(keys, device_id)
    signatures = signatures_by(keys, user_id)
    check_signature(keys, user_id, key_id, public_key)
    return with_signatures(keys, {user_id: {key_id: signatures[key_id]}})


def signing_key_of(keys: Mapping[str, Any], device_id: str) -> str:
    """Return the public key with which the device signs. Raises `InvalidParam`."""
    public_key = keys["keys"].get(f"{ED25519}:{device_id}")
    if public_key is None:
        raise InvalidParam("The device keys have no Ed25519 key of the device.")
    decode_verify_key(public_key)
    return str(public_key)


def checked_claimable(
    name: str, key: Any, user_id: str, device_id: str, device_keys: Mapping[str, Any] | None
) -> tuple[str, str]:
    """Return the algorithm and key ID of a one-time or fallback key.

    `device_keys` are those of the device, where it has any: without them no signature can be
    checked, and none is taken. Raises `InvalidParam`, `BadJson` and `KeySignatureInvalid`.
    """
    algorithm, colon, key_id = name.partition(":")
    if not algorithm or not colon or not key_id:
        raise InvalidParam(f"{name} is not the algorithm and ID of a key.")
    if isinstance(key, str):
        if algorithm == SIGNED_CURVE25519:
            raise BadJson(f"The key {name} is not signed.")
        return algorithm, key_id
    if not isinstance(key, dict) or type(key.get("key")) is not str:
        raise BadJson(f"The key {name} is neither a string nor an object with a key.")
    if device_keys is None:
        raise InvalidParam("Signed keys can be uploaded by a device that has identity keys.")
    signatures_by(key, user_id)
    signing_key = signing_key_of(device_keys, device_id)
    check_signature(key, user_id, f"{ED25519}:{device_id}", signing_key)
    return algorithm, key_id


def is_same_key(one: Any, other: Any) -> bool:
    """Whether two one-time keys are the same but for their signatures."""
    if isinstance(one, dict) and isinstance(other, dict):
        return bare(one) == bare(other)
    return bool(one == other)


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is str for one in value)


def _are_named_strings(value: Any) -> bool:
    return isinstance(value, dict) and all(type(one) is str for one in value.values())
