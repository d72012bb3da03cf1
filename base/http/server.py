"""The HTTP server: uvicorn on this process's event loop, without its signal handling."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from base.http.joining import JoiningTransport
from base.http.request_id import accepted

_BACKLOG: Final = 4096
_MAX_HEAD_BYTES: Final = 65536
_HEAD_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen at and the application that answers there."""

    application: ASGIApp
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    certificate: Path | None = None
    """The TLS certificate chain, PEM; without it the listener speaks plain HTTP."""
    private_key: Path | None = None
    """The certificate's key, PEM, unless it is in the same file."""
    trusted_proxies: Sequence[str] = ()
    """Addresses or networks of the proxies whose X-Forwarded-For and X-Request-ID are believed."""
    keep_alive_s: int = 75
    """How long an idle connection stays open."""
    max_connections: int = 20_000
    """Requests on further connections are answered 503."""


@dataclass(frozen=True, slots=True)
class Server:
    """The listeners that are being served."""

    ports: Sequence[int]
    """The port of each listener, in their order."""


@contextlib.asynccontextmanager
async def serve(listeners: Sequence[Listener], *, drain_s: int = 10) -> AsyncIterator[Server]:
    """Serve these listeners while the context lasts.

    On exit no connection is accepted any more, and requests in flight have `drain_s` seconds;
    what then still runs is cancelled and answered 503. Raises `OSError` if an address is taken.
    """
    with contextlib.ExitStack() as bound:
        sockets = [bound.enter_context(_bind(listener)) for listener in listeners]
        servers = [_UvicornServer(_configuration(one, drain_s)) for one in listeners]
        running = [
            asyncio.create_task(server.serve(sockets=[listening]), name="http server")
            for server, listening in zip(servers, sockets, strict=True)
        ]
        try:
            await _all_accept(servers, running)
            yield Server([listening.getsockname()[1] for listening in sockets])
        finally:
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*running)


async def _all_accept(
    servers: "Sequence[_UvicornServer]", running: Sequence[asyncio.Task[None]]
) -> None:
    for server, task in zip(servers, running, strict=True):
        accepts = asyncio.create_task(server.accepts.wait())
        await asyncio.wait([accepts, task], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            accepts.cancel()
            await task


def _bind(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    return socket.create_server(
        (listener.host, listener.port),
        family=family,
        backlog=_BACKLOG,
        dualstack_ipv6=listener.host == "::" and socket.has_dualstack_ipv6(),
    )


def _configuration(listener: Listener, drain_s: int) -> uvicorn.Config:
    application = listener.application
    if listener.trusted_proxies:
        application = _Proxied(application, listener.trusted_proxies)

    async def ending_quietly(scope: Scope, receive: Receive, send: Send) -> None:
        # A request is a task of its own: cancelling it, as stopping does, concerns nobody else.
        with contextlib.suppress(asyncio.CancelledError):
            await application(scope, receive, send)

    return uvicorn.Config(
        ending_quietly,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `_Proxied` reads them
        ssl_certfile=listener.certificate,
        ssl_keyfile=listener.private_key,
        backlog=_BACKLOG,
        limit_concurrency=listener.max_connections,
        timeout_keep_alive=listener.keep_alive_s,
        timeout_graceful_shutdown=drain_s,
    )


class _Proxied:
    """Believes what trusted proxies say of the client, and the request IDs that they give."""

    def __init__(self, application: ASGIApp, trusted_proxies: Sequence[str]) -> None:
        self._behind: Any = ProxyHeadersMiddleware(
            cast(Any, application), trusted_hosts=list(trusted_proxies)
        )
        self._is_trusted = lru_cache(1024)(self._behind.trusted_hosts.__contains__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        client = scope.get("client")
        if client is not None and self._is_trusted(client[0]):
            for name, value in scope["headers"]:
                if name == b"x-request-id":
                    scope["request_id"] = accepted(value)
                    break
        await self._behind(scope, receive, send)


class _UvicornServer(uvicorn.Server):
    """Uvicorn's server, which leaves signals to the process and says when it accepts."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepts = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting."""
        await super().startup(sockets)
        self.accepts.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers as they are."""
        yield


class _Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 with a bound on the size of a request's head and on its time."""

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(JoiningTransport(transport))
        self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, transport.close)

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined] # it is ours, see above
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        scope: Any = self.scope
        if scope is None or "query_string" not in scope:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self.transport.close)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            self._head_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().connection_lost(exc)
