"""Cross-signing keys, and which keys they may sign (client-server API, "Cross-signing")."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from matrix.encryption_keys.signed_keys import (
    KeySignatureInvalid,
    check_signature,
    signatures_by,
    with_signatures,
)
from matrix.errors import InvalidParam
from matrix.signing import ED25519, decode_verify_key

Usage: TypeAlias = Literal["master", "self_signing", "user_signing"]
USAGES: Final[tuple[Usage, ...]] = ("master", "self_signing", "user_signing")


def public_key_of(key: Mapping[str, Any]) -> str:
    """Return the one public key of a cross-signing key. Raises `InvalidParam`."""
    keys = key.get("keys")
    if not isinstance(keys, dict) or len(keys) != 1:
        raise InvalidParam("A cross-signing key has exactly one public key.")
    [(key_id, public_key)] = keys.items()
    if type(public_key) is not str or key_id != f"{ED25519}:{public_key}":
        raise InvalidParam("The ID of a cross-signing key is made of its Ed25519 public key.")
    decode_verify_key(public_key)
    return public_key


def checked_cross_signing_key(key: Mapping[str, Any], user_id: str, usage: Usage) -> str:
    """Return the public key of a cross-signing key of a user. Raises `InvalidParam`."""
    if key.get("user_id") != user_id:
        raise InvalidParam("The cross-signing key is of another user.")
    usages = key.get("usage")
    if not isinstance(usages, list) or usage not in usages:
        raise InvalidParam(f"The cross-signing key is not for {usage}.")
    return public_key_of(key)


def signed_by_master(
    key: Mapping[str, Any], user_id: str, master_public_key: str
) -> dict[str, Any]:
    """Return a self-signing or user-signing key with the master key's signature and no other.

    Raises `KeySignatureInvalid` and `BadJson`.
    """
    key_id = f"{ED25519}:{master_public_key}"
    signatures = signatures_by(key, user_id) if "signatures" in key else {}
    check_signature(key, user_id, key_id, master_public_key)
    return with_signatures(key, {user_id: {key_id: signatures[key_id]}})


def valid_signatures(
    key: Mapping[str, Any], signer: str, allowed: Mapping[str, str]
) -> dict[str, str]:
    """Return the signatures of a user that a key has, by key ID.

    `allowed` are the public keys that may sign it, by key ID. Raises `KeySignatureInvalid` where
    there is none, or where one is wrong or of another key, and `BadJson`.
    """
    signatures = signatures_by(key, signer)
    if not signatures:
        raise KeySignatureInvalid("There is no signature of the user.")
    for key_id in signatures:
        if key_id not in allowed:
            raise KeySignatureInvalid(f"{key_id} may not sign this key.")
        check_signature(key, signer, key_id, allowed[key_id])
    return signatures
