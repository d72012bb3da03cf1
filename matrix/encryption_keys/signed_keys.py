"""What signed keys have in common (client-server API, "Signing JSON" of keys)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from matrix.errors import BadJson, InvalidParam, MatrixError
from matrix.signing import SignatureInvalid, bare, decode_verify_key, verify_json


class KeySignatureInvalid(MatrixError):
    """A signature of a key is missing or wrong."""

    errcode: ClassVar[str] = "M_INVALID_SIGNATURE"


def check_signature(signed: Mapping[str, Any], signer: str, key_id: str, public_key: str) -> None:
    """Raise `KeySignatureInvalid` unless this key of the signer has signed the object."""
    try:
        verify_json(signed, signer, key_id, decode_verify_key(public_key))
    except (SignatureInvalid, BadJson, InvalidParam) as error:
        raise KeySignatureInvalid(error.message) from error


def signatures_by(key: Mapping[str, Any], user_id: str) -> dict[str, str]:
    """Return the signatures that the object has of a user, by key ID. Raises `BadJson`."""
    signatures = key.get("signatures")
    own = signatures.get(user_id, {}) if isinstance(signatures, dict) else None
    if not isinstance(own, dict) or any(type(one) is not str for one in own.values()):
        raise BadJson("The signatures are not an object of strings by user and key ID.")
    return own


def with_signatures(
    key: Mapping[str, Any], signatures: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the bare key with these signatures, by user and key ID."""
    return {**bare(key), "signatures": {user_id: dict(own) for user_id, own in signatures.items()}}
