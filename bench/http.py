"""A minimal HTTP/1.1 keep-alive client whose own cost stays far below a server's."""

import asyncio
from time import perf_counter
from typing import Final, cast

REQUEST_TIMEOUT_S: Final = 60.0
NO_ANSWER: Final = 0
"""The status of an answer that never came: timed out, refused, cut off or not HTTP."""

_HEAD_END: Final = b"\r\n\r\n"
_HEAD_LIMIT: Final = 65536

Address = tuple[str, int]


class Answer:
    """What came back for one request, and when; status 0 says that nothing did."""

    __slots__ = ("body", "finished_at", "started_at", "status")

    def __init__(self, status: int, body: bytes, started_at: float, finished_at: float) -> None:
        self.status = status
        self.body = body
        self.started_at = started_at
        self.finished_at = finished_at

    @property
    def ok(self) -> bool:
        """Say whether the server answered 200."""
        return self.status == 200  # noqa: PLR2004 (the one success code of the Matrix API)

    @property
    def seconds(self) -> float:
        """Return the time from the first byte sent to the last byte received."""
        return self.finished_at - self.started_at


class MalformedAnswerError(Exception):
    """The server sent something that is not an HTTP/1.1 answer."""


class AnswerParser:
    """Takes bytes as they arrive and says when one whole answer is there."""

    __slots__ = ("_chunked", "_missing", "_parts", "_pending", "body", "keep_alive", "status")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last answer and wait for the next."""
        self.status = NO_ANSWER
        self.body = b""
        self.keep_alive = True
        self._pending = b""
        self._parts: list[bytes] = []
        self._missing: int | None = None
        self._chunked = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; return whether the answer is complete."""
        while self.status == NO_ANSWER:
            data = self._pending + data
            end = data.find(_HEAD_END)
            if end < 0:
                if len(data) > _HEAD_LIMIT:
                    raise MalformedAnswerError("head without end")
                self._pending = data
                return False
            self._read_head(data[:end])
            self._pending = b""
            data = data[end + 4 :]
        if self._chunked:
            return self._feed_chunks(data)
        self._parts.append(data)
        if self._missing is None:
            return False
        self._missing -= len(data)
        if self._missing > 0:
            return False
        self.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        return True

    def end_of_stream(self) -> bool:
        """Note that the server closed; return whether that completes the answer."""
        if self.status == NO_ANSWER or self._chunked or self._missing is not None:
            return False
        self.body = b"".join(self._parts)
        return True

    def _read_head(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
            raise MalformedAnswerError(repr(head[:60]))
        status = int(head[9:12])
        if status < 200:  # noqa: PLR2004 (an interim answer: the real one follows)
            return
        self.status = status
        fields = head.lower()
        self.keep_alive = b"\r\nconnection: close" not in fields
        at = fields.find(b"\r\ncontent-length:")
        if at >= 0:
            line_end = fields.find(b"\r\n", at + 17)
            self._missing = int(fields[at + 17 : line_end if line_end >= 0 else None])
        elif b"\r\ntransfer-encoding: chunked" in fields:
            self._chunked = True
        elif status == 204:  # noqa: PLR2004 (no content has no length either)
            self._missing = 0
        else:
            self.keep_alive = False

    def _feed_chunks(self, data: bytes) -> bool:
        data = self._pending + data
        at = 0
        while True:
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                break
            size = int(data[at:line_end].partition(b";")[0], 16)
            start = line_end + 2
            if len(data) < start + size + 2:
                break
            if size == 0:
                self.body = b"".join(self._parts)
                return True
            self._parts.append(data[start : start + size])
            at = start + size + 2
        self._pending = data[at:]
        return False


class Connection(asyncio.Protocol):
    """One keep-alive connection that carries one request at a time.

    A request is sent once: a failure comes back as an answer with status 0, and the next
    request opens a new connection.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._parser = AnswerParser()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._started_at = 0.0
        # Transports aborted by us whose loss the event loop has yet to report: such a report
        # must not be taken for the loss of a connection opened since.
        self._aborted = 0

    async def open(self) -> None:
        """Connect unless connected already; raises OSError or TimeoutError."""
        if self._transport is None:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await self._loop.create_connection(lambda: self, *self._address)

    async def request(self, data: bytes, timeout_s: float = REQUEST_TIMEOUT_S) -> Answer:
        """Send a whole request and wait for its answer, at most `timeout_s`; never raises."""
        self._started_at = perf_counter()
        if self._transport is None:
            try:
                await self.open()
            except OSError as error:  # TimeoutError is one of them
                return self._nothing(f"no connection: {error!r}")
        transport = self._transport
        if transport is None:
            return self._nothing("connection lost at once")
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_later(timeout_s, self._fail, "timed out")
        transport.write(data)
        try:
            return await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Drop the connection; a request under way is answered with status 0."""
        self._fail("closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by the event loop)."""
        self._parser.reset()
        # uvloop's transports are no subclasses of asyncio's, whose methods they have.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer (called by the event loop)."""
        try:
            complete = self._parser.feed(data)
        except (MalformedAnswerError, ValueError) as error:
            self._fail(f"malformed answer: {error}")
            return
        if complete:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up or complete the request under way (called by the event loop)."""
        if self._aborted:
            self._aborted -= 1
            return
        self._transport = None
        if self._waiter is not None and self._parser.end_of_stream():
            self._finish()
        self._fail(f"connection lost: {exc!r}")

    def _finish(self) -> None:
        now = perf_counter()
        parser = self._parser
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Answer(parser.status, parser.body, self._started_at, now))
        if not parser.keep_alive:
            self.close()
        parser.reset()

    def _fail(self, reason: str) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            self._aborted += 1
            transport.abort()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(self._nothing(reason))

    def _nothing(self, reason: str) -> Answer:
        return Answer(NO_ANSWER, reason.encode(), self._started_at, perf_counter())


def build_request(
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: bytes | None = None,
    content_type: str = "application/json",
) -> bytes:
    """Return the bytes of a request, ready to be sent any number of times."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Accept: application/json"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")
