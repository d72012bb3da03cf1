"""Unpadded Base64, standard and URL-safe (appendices, "Unpadded Base64")."""

import binascii
from base64 import b64decode
from typing import Final

from matrix.errors import BadJson

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/\xff\xff\xff")


def encode_base64(data: bytes) -> str:
    """Return `data` in the standard alphabet, without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").decode("ascii")


def encode_base64_url_safe(data: bytes) -> str:
    """Return `data` in the URL-safe alphabet, without padding."""
    text = binascii.b2a_base64(data, newline=False).rstrip(b"=")
    return text.translate(_TO_URL).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard Base64 with or without padding, or raise `BadJson`."""
    stripped = text.rstrip("=")
    try:
        return b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except ValueError as error:
        raise BadJson("This is not unpadded Base64.") from error


def decode_base64_url_safe(text: str) -> bytes:
    """Return the bytes of URL-safe Base64 without padding.

    Raises `ValueError` if there is anything else in the text: callers say what they wanted.
    """
    standard = text.encode("ascii").translate(_FROM_URL)
    return binascii.a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True)
