"""Unpadded Base64, standard and URL-safe (appendices, "Unpadded Base64")."""

import binascii
from base64 import b64decode, urlsafe_b64encode

from matrix.errors import BadJson


def encode_base64(data: bytes) -> str:
    """Return `data` in the standard alphabet, without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode("ascii")


def encode_base64_url_safe(data: bytes) -> str:
    """Return `data` in the URL-safe alphabet, without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard Base64 with or without padding, or raise `BadJson`."""
    stripped = text.rstrip("=")
    try:
        return b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except ValueError as error:
        raise BadJson("This is not unpadded Base64.") from error
