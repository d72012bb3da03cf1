"""Ed25519 signatures of JSON objects and events (appendices, "Signing JSON")."""

from collections.abc import Mapping
from typing import Any, Final, Self

from nacl.bindings import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_PUBLICKEYBYTES,
    crypto_sign_seed_keypair,
    crypto_sign_SEEDBYTES,
)
from nacl.exceptions import CryptoError

from matrix.canonical import encode_canonical
from matrix.errors import BadJson, Forbidden, InvalidParam
from matrix.events import Event
from matrix.hashing import content_hash, signing_bytes
from matrix.identifiers import KeyID, ServerName, is_user_id, server_of
from matrix.room_versions import RoomVersion
from matrix.unpadded_base64 import decode_base64, encode_base64

ED25519: Final = "ed25519"
"""The algorithm of signatures, and of their keys."""
_NOT_SIGNED: Final = frozenset({"signatures", "unsigned"})


class SignatureInvalid(Forbidden):
    """A signature is missing or does not fit what it should sign."""


class SigningKey:
    """An Ed25519 key with which a server signs."""

    __slots__ = ("_secret", "_seed", "key_id", "verify_key", "version")

    key_id: Final[KeyID]
    version: Final[str]
    verify_key: Final[bytes]
    """The public key, 32 bytes."""

    def __init__(self, version: str, seed: bytes) -> None:
        if len(seed) != crypto_sign_SEEDBYTES:
            raise InvalidParam(f"The seed of a signing key has {crypto_sign_SEEDBYTES} bytes.")
        if not version or not set(version) <= _VERSION_CHARACTERS:
            raise InvalidParam("The version of a signing key holds letters, digits and _ only.")
        self.version = version
        self.key_id = KeyID(f"{ED25519}:{version}")
        self._seed = seed
        self.verify_key, self._secret = crypto_sign_seed_keypair(seed)

    @classmethod
    def generate(cls, version: str, seed_bytes: bytes) -> Self:
        """Return the key of 32 random bytes, which the caller draws."""
        return cls(version, seed_bytes)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the key written as `ed25519 <version> <Base64 seed>`, or raise `InvalidParam`."""
        match text.split():
            case [algorithm, version, seed] if algorithm == ED25519:
                try:
                    return cls(version, decode_base64(seed))
                except BadJson as error:
                    raise InvalidParam("The seed of a signing key is Base64.") from error
        raise InvalidParam(f"A signing key is written as '{ED25519} <version> <Base64 seed>'.")

    def to_text(self) -> str:
        """Return the key as `from_text` reads it; this is the secret."""
        return f"{ED25519} {self.version} {encode_base64(self._seed)}"

    def sign(self, message: bytes) -> str:
        """Return the signature of these bytes in unpadded Base64."""
        return encode_base64(crypto_sign(message, self._secret)[:crypto_sign_BYTES])

    def __repr__(self) -> str:
        return f"<SigningKey {self.key_id}>"


_VERSION_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
)


def bare(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is signed: the object without `signatures` and `unsigned`."""
    return {name: value for name, value in obj.items() if name not in _NOT_SIGNED}


def sign_json(obj: Mapping[str, Any], server_name: str, key: SigningKey) -> dict[str, Any]:
    """Return a copy of `obj` with our signature added; `unsigned` is kept, but not signed."""
    return _with_signature(obj, server_name, key.key_id, key.sign(_unsigned_bytes(obj)))


def verify_json(obj: Mapping[str, Any], server_name: str, key_id: str, verify_key: bytes) -> None:
    """Raise `SignatureInvalid` unless `server_name` has signed `obj` with this key.

    `server_name` may be any entity that signs, such as a user ID. `BadJson` if `obj` has no
    canonical JSON.
    """
    verify_signature(_unsigned_bytes(obj), signature_of(obj, server_name, key_id), verify_key)


def signature_of(obj: Mapping[str, Any], server_name: str, key_id: str) -> str:
    """Return the signature of this entity and key in `obj`, or raise `SignatureInvalid`."""
    signatures = obj.get("signatures")
    own = signatures.get(server_name) if isinstance(signatures, Mapping) else None
    signature = own.get(key_id) if isinstance(own, Mapping) else None
    if not isinstance(signature, str):
        raise SignatureInvalid(f"There is no signature of {server_name} with {key_id}.")
    return signature


def key_ids_of(obj: Mapping[str, Any], server_name: str) -> list[KeyID]:
    """Return the Ed25519 keys with which this entity claims to have signed `obj`."""
    signatures = obj.get("signatures")
    own = signatures.get(server_name) if isinstance(signatures, Mapping) else None
    if not isinstance(own, Mapping):
        return []
    return [KeyID(key_id) for key_id in own if key_id.startswith(ED25519 + ":")]


def decode_verify_key(text: str) -> bytes:
    """Return the 32 bytes of a public key in unpadded Base64, or raise `InvalidParam`."""
    try:
        key = decode_base64(text)
    except BadJson as error:
        raise InvalidParam("The public key is not Base64.") from error
    if len(key) != crypto_sign_PUBLICKEYBYTES:
        raise InvalidParam(f"A public key has {crypto_sign_PUBLICKEYBYTES} bytes.")
    return key


def verify_signature(message: bytes, signature: str, verify_key: bytes) -> None:
    """Raise `SignatureInvalid` unless `signature` (unpadded Base64) signs these bytes."""
    try:
        decoded = decode_base64(signature)
    except BadJson as error:
        raise SignatureInvalid("The signature is not Base64.") from error
    if len(decoded) != crypto_sign_BYTES or len(verify_key) != crypto_sign_PUBLICKEYBYTES:
        raise SignatureInvalid("The signature or the key has a wrong length.")
    try:
        crypto_sign_open(decoded + message, verify_key)
    except CryptoError as error:
        raise SignatureInvalid("The signature is wrong.") from error


def sign_event(
    pdu: Mapping[str, Any], version: RoomVersion, server_name: str, key: SigningKey
) -> dict[str, Any]:
    """Return a copy of the PDU with its content hash set and our signature added."""
    hashes = pdu.get("hashes")
    hashed = {
        **pdu,
        "hashes": {**(hashes if isinstance(hashes, Mapping) else {}), "sha256": content_hash(pdu)},
    }
    return _with_signature(
        hashed, server_name, key.key_id, key.sign(signing_bytes(hashed, version))
    )


def cosign_event(event: Event, server_name: str, key: SigningKey) -> Event:
    """Return a copy of another server's event with our signature added and its hash left."""
    signature = key.sign(signing_bytes(event.pdu, event.room_version))
    pdu = _with_signature(event.pdu, server_name, key.key_id, signature)
    return Event(pdu, event.room_version, event.event_id)


def verify_event_signature(event: Event, server_name: str, key_id: str, verify_key: bytes) -> None:
    """Raise `SignatureInvalid` unless `server_name` has signed the event with this key."""
    signature = signature_of(event.pdu, server_name, key_id)
    verify_signature(signing_bytes(event.pdu, event.room_version), signature, verify_key)


def required_signers(event: Event) -> set[ServerName]:
    """Return the servers whose signatures the event needs; there may be none.

    An invite that comes of a third-party invite is proven by `signed` in its content instead,
    as another server than the sender's may send it.
    """
    version = event.room_version
    content = event.content
    membership = event.membership
    signers = set()
    if membership != "invite" or "third_party_invite" not in content:
        signers.add(server_of(event.sender))
    if version.has_event_id_field:
        signers.add(server_of(event.event_id))
    if version.restricted_join and membership == "join":
        authoriser = content.get("join_authorised_via_users_server")
        if authoriser is not None:
            if not is_user_id(authoriser):
                raise BadJson("join_authorised_via_users_server is not a user ID.")
            signers.add(server_of(authoriser))
    return signers


def _unsigned_bytes(obj: Mapping[str, Any]) -> bytes:
    return encode_canonical(bare(obj))


def _with_signature(
    obj: Mapping[str, Any], entity: str, key_id: KeyID, signature: str
) -> dict[str, Any]:
    present = obj.get("signatures")
    signatures = dict(present) if isinstance(present, Mapping) else {}
    own = signatures.get(entity)
    signatures[entity] = {**(own if isinstance(own, Mapping) else {}), key_id: signature}
    return {**obj, "signatures": signatures}
