"""What a handler answers with."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final

import orjson

from matrix.errors import LimitExceeded, MatrixError, Unavailable

Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"X-Requested-With, Content-Type, Authorization"),
)
"""Web pages of any origin may read the answer (client-server API, "Web Browser Clients")."""
_TRY_AGAIN: Final[tuple[Header, ...]] = ((b"retry-after", b"2"),)


class Response:
    """A whole answer: status, content type, body and further headers."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        content_type: bytes = b"",
        headers: Iterable[Header] = (),
    ) -> None:
        self.body = body
        self.status = status
        self.content_type = content_type
        self.headers = headers


class StreamingResponse:
    """An answer whose body comes in pieces; with `length` it says beforehand how much.

    The pieces are closed when the answer ends, or its client goes.
    """

    __slots__ = ("chunks", "content_type", "headers", "length", "status")

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        *,
        length: int | None = None,
        status: int = 200,
        content_type: bytes = b"application/octet-stream",
        headers: Iterable[Header] = (),
    ) -> None:
        self.chunks = chunks
        self.length = length
        self.status = status
        self.content_type = content_type
        self.headers = headers


def json_response(
    value: Any | bytes, status: int = 200, headers: Iterable[Header] = ()
) -> Response:
    """Answer with JSON. Bytes are JSON already and pass through as they are."""
    body = value if type(value) is bytes else orjson.dumps(value)
    return Response(body, status=status, content_type=JSON, headers=headers)


def empty_response() -> Response:
    """Answer with `{}`, as most changes do."""
    return Response(b"{}", content_type=JSON)


def error_response(error: MatrixError, headers: Iterable[Header] = ()) -> Response:
    """Answer with `{errcode, error}` and the error's status."""
    if isinstance(error, LimitExceeded):
        seconds = -(-error.retry_after_ms // 1000)
        headers = (*headers, (b"retry-after", b"%d" % max(seconds, 0)))
    return json_response(error.body(), error.status, headers)


def outage_response(outage: Unavailable | None = None) -> Response:
    """Answer that something is away, and when to try again."""
    return error_response(outage or Unavailable(), _TRY_AGAIN)


def failed_response() -> Response:
    """Answer that the server has failed, and nothing of how."""
    return json_response({"errcode": "M_UNKNOWN", "error": "Internal server error"}, status=500)
