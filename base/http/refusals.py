"""What the server answers to bytes that never become a request."""

from http import HTTPStatus

from base.http.response import CORS, error_response
from matrix.errors import MatrixError


class Malformed(MatrixError):
    """This is not a valid HTTP request."""


class HeadTooLarge(MatrixError):
    """The request line and the headers, or what stands around the body, are too large."""

    errcode = "M_TOO_LARGE"
    status = 431


class RequestTimeout(MatrixError):
    """The request did not arrive in time."""

    status = 408


def last_answer(error: MatrixError) -> bytes:
    """Return the answer, as it is sent, with which a connection ends."""
    answer = error_response(error)
    headers = (
        *CORS,
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"connection", b"close"),
    )
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines.extend([name + b": " + value for name, value in headers])
    return b"\r\n".join([*lines, b"", answer.body])
