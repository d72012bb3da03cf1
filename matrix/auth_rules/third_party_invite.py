"""The rules about invites that redeem a third-party invite, and their signatures."""

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from matrix.auth_rules.auth_state import AuthState
from matrix.auth_rules.selection import third_party_token
from matrix.canonical import encode_canonical
from matrix.errors import AuthRejected, BadJson
from matrix.events import Event
from matrix.unpadded_base64 import decode_base64

MAX_SIGNATURE_CHECKS: Final = 256
"""How many pairs of key and signature are tried.

Two events of the greatest size could make hundreds of thousands of pairs, a minute of work. An
identity server gives two keys and one signature.
"""

_RULE: Final = "third_party_invite"
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")


def check_third_party_invite(event: Event, target: str, state: AuthState) -> None:
    """Raise `AuthRejected` unless the invite holds what its third-party invite asks for.

    The sender need not be in the room any more, nor have the invite level: the one who sent
    the third-party invite had it then.
    """
    if state.membership(target) == "ban":
        raise AuthRejected(f"{_RULE}: {target} is banned.")
    invite = event.content["third_party_invite"]
    signed = invite.get("signed") if isinstance(invite, Mapping) else None
    if not isinstance(signed, Mapping):
        raise AuthRejected(f"{_RULE}: signed is missing.")
    token = third_party_token(event.content)
    if token is None or "mxid" not in signed:
        raise AuthRejected(f"{_RULE}: signed lacks mxid or token.")
    if signed["mxid"] != target:
        raise AuthRejected(f"{_RULE}: it was signed for another user than {target}.")
    offer = state.lookup(("m.room.third_party_invite", token))
    if offer is None:
        raise AuthRejected(f"{_RULE}: the room has no third-party invite with this token.")
    if offer.sender != event.sender:
        raise AuthRejected(f"{_RULE}: it was offered by {offer.sender}, not by {event.sender}.")
    if not _is_signed(signed, offer.content):
        raise AuthRejected(f"{_RULE}: no signature fits a key of the third-party invite.")


def _is_signed(signed: Mapping[str, Any], offer: Mapping[str, Any]) -> bool:
    unsigned = {
        name: value for name, value in signed.items() if name not in ("signatures", "unsigned")
    }
    try:
        message = encode_canonical(unsigned)
    except BadJson:
        return False
    keys = list(dict.fromkeys(_public_keys(offer)))
    signatures = list(dict.fromkeys(_signatures(signed)))
    return any(
        _verifies(key, signature, message)
        for key, signature in islice(product(keys, signatures), MAX_SIGNATURE_CHECKS)
    )


def _public_keys(offer: Mapping[str, Any]) -> Iterator[bytes]:
    listed = offer.get("public_keys")
    entries = [offer, *(listed if isinstance(listed, list) else ())]
    for entry in entries:
        key = _decoded(entry.get("public_key")) if isinstance(entry, Mapping) else None
        if key is not None and len(key) == _KEY_BYTES:
            yield key


def _signatures(signed: Mapping[str, Any]) -> Iterator[bytes]:
    servers = signed.get("signatures")
    for by_key in servers.values() if isinstance(servers, Mapping) else ():
        for key_id, text in by_key.items() if isinstance(by_key, Mapping) else ():
            signature = _decoded(text) if key_id.startswith("ed25519:") else None
            if signature is not None and len(signature) == _SIGNATURE_BYTES:
                yield signature


def _decoded(text: Any) -> bytes | None:
    """Return the bytes of Base64 in either alphabet, which keys may use, or `None`."""
    if not isinstance(text, str):
        return None
    try:
        return decode_base64(text.translate(_STANDARD_ALPHABET))
    except BadJson:
        return None


def _verifies(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        VerifyKey(key).verify(message, signature)
    except BadSignatureError:
        return False
    return True
