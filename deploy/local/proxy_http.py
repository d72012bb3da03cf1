"""HTTP as the small proxy speaks it: whole requests in, answers passed on as they come."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

import httptools

_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"expect"}
)
_FORWARDED_FOR: Final = b"x-forwarded-for"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE: Final = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TIMEOUT: Final = re.compile(rb"(?:^|&)timeout=(\d{1,9})(?:&|$)")
_MAX_BODY_BYTES: Final = 64 << 20


class Forward(NamedTuple):
    """A request as it is forwarded."""

    method: bytes
    path: bytes
    """Without the query."""
    wait_s: float
    """How long the answer may be held back, because the client asked for that."""
    data: bytes
    """Head and body."""


class UpstreamLost(Exception):
    """The connection to a component broke before the answer was complete."""

    def __init__(self, *, has_answered: bool, was_idle: bool, is_late: bool = False) -> None:
        super().__init__()
        self.is_late = is_late
        """Whether nothing came for too long."""
        self.has_answered = has_answered
        """Whether a part of the answer has been passed on."""
        self.was_idle = was_idle
        """Whether it had been used before: then it may have been closed for its age."""


class ClientConnection(asyncio.Protocol):
    """A connection from a client: its requests are answered one after the other."""

    def __init__(self, forward: "Callable[[Forward, ClientConnection], Awaitable[None]]") -> None:
        self._forward = forward
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[Forward] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._address = b""
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self.upstream: Upstream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._address = str(self._transport.get_extra_info("peername")[0]).encode()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.write(_BAD_REQUEST)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let nobody work for a client that has gone."""
        del exc
        self._transport = None
        if self._worker is not None:
            self._worker.cancel()
        if self.upstream is not None:
            self.upstream.close()

    def pause_writing(self) -> None:
        """The client reads slowly: so does the proxy."""
        if self.upstream is not None:
            self.upstream.pause()

    def resume_writing(self) -> None:
        """Go on."""
        if self.upstream is not None:
            self.upstream.resume()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url, self._headers, self._body = b"", [], bytearray()

    def on_url(self, url: bytes) -> None:
        """Take the target, or a part of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Let a client go on that asks first."""
        if any(name.lower() == b"expect" for name, _ in self._headers):
            self.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body
        if len(self._body) > _MAX_BODY_BYTES:
            self.write(_TOO_LARGE)
            self._close()

    def on_message_complete(self) -> None:
        """Forward the request."""
        method: bytes = self._parser.get_method()
        path, _, query = self._url.partition(b"?")
        asked_ms = _TIMEOUT.search(query)
        wait_s = 0 if asked_ms is None else int(asked_ms[1]) / 1000
        self._requests.append(Forward(method, path, wait_s, self._whole(method)))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())
        elif self._transport is not None:
            self._transport.pause_reading()

    def _whole(self, method: bytes) -> bytes:
        lines = [b"%s %s HTTP/1.1" % (method, self._url)]
        forwarded_for = self._address
        for name, value in self._headers:
            lower = name.lower()
            if lower == _FORWARDED_FOR:
                forwarded_for = b"%s, %s" % (value, forwarded_for)
            elif lower not in _HOP_BY_HOP:
                lines.append(b"%s: %s" % (name, value))
        lines.append(b"%s: %s" % (_FORWARDED_FOR, forwarded_for))
        if self._body or method not in {b"GET", b"HEAD"}:
            lines.append(b"content-length: %d" % len(self._body))
        return b"\r\n".join([*lines, b"", bytes(self._body)])

    async def _work(self) -> None:
        while self._requests and self._transport is not None:
            await self._forward(self._requests.popleft(), self)
            if not self._requests and self._transport is not None:
                self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Cut the connection: the answer cannot be completed."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Upstream(asyncio.Protocol):
    """A connection to a component: one request at a time."""

    def __init__(self) -> None:
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._client: ClientConnection | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._done: asyncio.Future[None] | None = None
        self.has_answered = False
        """Whether a part of the answer has come."""
        self._has_been_used = False
        self._is_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    async def exchange(self, request: Forward, client: ClientConnection, patience_s: float) -> bool:
        """Pass a request on and its answer back; return whether the connection can be used again.

        Raises `UpstreamLost`, also when no answer has begun after `patience_s`.
        """
        was_idle, self._has_been_used = self._has_been_used, True
        if self._transport is None or self.is_closed:
            raise UpstreamLost(has_answered=False, was_idle=was_idle)
        self._client, client.upstream = client, self
        self._is_head = request.method == b"HEAD"
        self.has_answered = False
        self._parser = httptools.HttpResponseParser(self)
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        timer = loop.call_later(patience_s, self._give_up)
        try:
            self._transport.write(request.data)
            await self._done
        except TimeoutError as error:
            self.close()
            raise UpstreamLost(has_answered=False, was_idle=was_idle, is_late=True) from error
        except ConnectionError as error:
            raise UpstreamLost(has_answered=self.has_answered, was_idle=was_idle) from error
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
            self._client = client.upstream = None
        may_go_on = not self._is_head and bool(self._parser.should_keep_alive())
        if not may_go_on:
            self.close()
        return may_go_on

    def _give_up(self) -> None:
        if not self.has_answered and self._done is not None and not self._done.done():
            self._done.set_exception(TimeoutError())

    def data_received(self, data: bytes) -> None:
        """Pass a part of the answer on."""
        if self._client is None:
            self.close()
            return
        self.has_answered = True
        self._client.write(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_headers_complete(self) -> None:
        """An answer to HEAD ends here."""
        if self._is_head:
            self.on_message_complete()

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        del exc
        self.is_closed = True
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionResetError())

    def close(self) -> None:
        """Close the connection."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        """Read nothing for now."""
        if self._transport is not None and not self.is_closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self.is_closed:
            self._transport.resume_reading()
