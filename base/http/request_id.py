"""The identity of the request being served, and which identities are accepted from outside."""

from typing import Final

from base.tracing import current_request_id, request_id

__all__ = ["MAX_CHARACTERS", "accepted", "current_request_id", "request_id"]

MAX_CHARACTERS: Final = 64
_ALLOWED: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")


def accepted(header: bytes) -> str:
    """Return the ID that a trusted proxy has given, or an empty string if it is no fit one."""
    if len(header) > MAX_CHARACTERS or not _ALLOWED.issuperset(header):
        return ""
    return header.decode("ascii")
