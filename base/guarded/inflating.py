"""Undoes the compression of an answer, piece by piece, never more than wanted at once."""

import zlib
from collections.abc import Iterator
from typing import Final

from base.guarded.errors import AnswerBroken

_PIECE_BYTES: Final = 65_536
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_ZLIB_METHOD: Final = 8

ACCEPTED: Final = "gzip, deflate"
"""The encodings that are understood, as a request names them."""


class Inflating:
    """Takes the bytes of an answer as they come and gives those that it stands for."""

    def __init__(self, encoding: str) -> None:
        """Take the Content-Encoding. Raises `AnswerBroken` for one that was not asked for."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise AnswerBroken("the encoding of the answer was not asked for")
        self._inflater: zlib._Decompress | None = None

    def pieces(self, received: bytes) -> Iterator[bytes]:
        """Yield what these bytes stand for in small pieces. Raises `AnswerBroken`."""
        if self._encoding in {"", "identity"}:
            yield received
            return
        if not received:
            return
        inflater = self._inflater = self._inflater or _inflater(self._encoding, received)
        while received and not inflater.eof:
            try:
                piece = inflater.decompress(received, _PIECE_BYTES)
            except zlib.error as error:
                raise AnswerBroken("the answer cannot be decompressed") from error
            received = inflater.unconsumed_tail
            if piece:
                yield piece


def _inflater(encoding: str, start: bytes) -> "zlib._Decompress":
    """Return what undoes the encoding; some servers send `deflate` without zlib's head."""
    if encoding == "deflate" and start[0] & 0xF != _ZLIB_METHOD:
        return zlib.decompressobj(-zlib.MAX_WBITS)
    return zlib.decompressobj(_GZIP_OR_ZLIB)
