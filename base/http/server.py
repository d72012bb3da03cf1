"""The HTTP server: uvicorn on this process's event loop, without its signal handling."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from base.http.accepting import Acceptor
from base.http.protocol import BoundedProtocol, Bounds
from base.http.request_id import accepted
from base.http.unsent import UnsentAnswers

_BACKLOG: Final = 4096


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
    max_connections: int = 16_000
    """Further connections are closed at once."""
    answer_timeout_s: float = 30.0
    """How long a client may take nothing of an answer that waits for it."""
    head_timeout_s: float = 20.0
    """How long the head of a request may take to arrive."""
    linger_s: float = 5.0
    """How long a client may go on sending a request that has its answer."""


class ServedListeners:
    """The listeners that are being served."""

    def __init__(self, servers: "Sequence[_UvicornServer]", ports: Sequence[int]) -> None:
        self._servers = servers
        self.ports: Final = ports
        """The port of each listener, in their order."""

    def reload_certificates(self) -> None:
        """Let new connections see the certificates that are in the listeners' files now.

        Raises `OSError` for a file that cannot be used; what was loaded before stays.
        """
        for server in self._servers:
            server.reload_certificate()


@contextlib.asynccontextmanager
async def serve(
    listeners: Sequence[Listener], *, drain_s: int = 10, unsent: UnsentAnswers | None = None
) -> AsyncIterator[ServedListeners]:
    """Serve these listeners while the context lasts.

    `unsent` bounds the answers that clients have yet to take; it may be shared among calls.

    On exit no connection is accepted any more, and requests in flight have `drain_s` seconds;
    what then still runs is cancelled and answered 503. Raises `OSError` if an address is taken.
    """
    with contextlib.ExitStack() as bound:
        sockets = [bound.enter_context(_bind(listener)) for listener in listeners]
        unsent = unsent or UnsentAnswers()
        servers = [_UvicornServer(one, drain_s, unsent) for one in listeners]
        running = [
            asyncio.create_task(server.serve(sockets=[listening]), name="http server")
            for server, listening in zip(servers, sockets, strict=True)
        ]
        try:
            await _all_accept(servers, running)
            yield ServedListeners(servers, [listening.getsockname()[1] for listening in sockets])
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
    """Uvicorn's server, which leaves signals to the process and accepts within bounds."""

    def __init__(self, listener: Listener, drain_s: int, unsent: UnsentAnswers) -> None:
        super().__init__(_configuration(listener, drain_s))
        self.accepts = asyncio.Event()
        self._listener = listener
        self._bounds = Bounds(
            unsent, listener.answer_timeout_s, listener.head_timeout_s, listener.linger_s
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting."""
        await self.lifespan.startup()
        acceptors = [
            Acceptor(one, self._protocol, self.config.ssl, self._listener.max_connections)
            for one in sockets or ()
        ]
        for acceptor in acceptors:
            acceptor.start()
        self.servers = cast(Any, acceptors)  # they are closed as asyncio's are
        self.started = True
        self.accepts.set()

    def _protocol(self, on_lost: Callable[[], None]) -> BoundedProtocol:
        return BoundedProtocol(
            self.config, self.server_state, self.lifespan.state, self._bounds, on_lost
        )

    def reload_certificate(self) -> None:
        """Read the certificate again, if there is one. Raises `OSError`."""
        context, certificate = self.config.ssl, self._listener.certificate
        if context is not None and certificate is not None:
            # A file that cannot be used must not leave half of it behind.
            load_certificate(certificate, self._listener.private_key)
            context.load_cert_chain(certificate, self._listener.private_key)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers as they are."""
        yield


def load_certificate(certificate: Path, private_key: Path | None) -> None:
    """Try a certificate and its key. Raises `OSError` if they cannot be used."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key)
