"""Accepts the connections of one listener, no more than it may have."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeAlias

_log: Final = logging.getLogger(__name__)

_AT_ONCE: Final = 64
_HANDSHAKE_S: Final = 10.0
_NO_DESCRIPTOR_S: Final = 1.0
_TELL_EVERY_S: Final = 60.0


MakeProtocol: TypeAlias = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol of a connection, which calls what it is given when its connection is lost."""


class Acceptor:
    """Takes what connects to a socket; connections over the limit are closed at once.

    A TLS handshake counts as a connection, and has ten seconds. Stands where uvicorn has a server
    of asyncio, which has no limit and does not count handshakes.
    """

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: MakeProtocol,
        tls: ssl.SSLContext | None,
        max_connections: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make_protocol = make_protocol
        self._tls = tls
        self._max_connections = max_connections
        self._open = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._told_at_s = float("-inf")

    def start(self) -> None:
        """Begin, or go on, to accept."""
        self._pause = None
        self._listening.setblocking(False)  # noqa: FBT003 (Python's own)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Accept nothing more, and end the handshakes under way."""
        self._loop.remove_reader(self._listening)
        if self._pause is not None:
            self._pause.cancel()
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when no handshake is under way."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait_for_descriptors(error)
                return
            if self._open >= self._max_connections:
                accepted.close()
                self._tell("Connections over the limit are closed")
                continue
            self._open += 1
            task = self._loop.create_task(self._begin(accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _begin(self, accepted: socket.socket) -> None:
        protocol = self._make_protocol(self._lost)
        try:
            accepted.setblocking(False)  # noqa: FBT003 (Python's own)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else _HANDSHAKE_S,
            )
        except (OSError, asyncio.CancelledError) as error:
            # It never came to a connection: nobody else says that it has ended.
            _log.debug("A connection failed before its first request: %r", error)
            accepted.close()
            self._lost()

    def _lost(self) -> None:
        self._open -= 1

    def _wait_for_descriptors(self, error: OSError) -> None:
        """Leave what connects in the backlog for a while: trying at once would only spin."""
        self._tell("Connections cannot be accepted now", error=error.strerror)
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(_NO_DESCRIPTOR_S, self.start)

    def _tell(self, message: str, **fields: Any) -> None:
        """Warn, but not once per connection."""
        now = self._loop.time()
        if now - self._told_at_s >= _TELL_EVERY_S:
            self._told_at_s = now
            limit = self._max_connections
            _log.warning(message, extra={"open": self._open, "limit": limit, **fields})
