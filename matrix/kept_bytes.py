"""Bytes that are kept for long take no more memory than they are long."""


def kept_bytes(encoded: bytes) -> bytes:
    """Return a copy of what an encoder made, to be kept.

    orjson returns bytes at the beginning of some 4 KB, all of which stay taken as long as they do.
    """
    return b"%b" % encoded
