"""Where a process listens, and what it serves there."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from base.http import (
    Application,
    ApplicationSettings,
    Listener,
    Observer,
    OrdinaryRoutes,
    Router,
    ServedListeners,
    UnsentAnswers,
    application,
    load_certificate,
    serve,
)
from deploy.errors import StartRefused
from deploy.process.file_limit import connections_of
from deploy.settings import Api, ListenerSettings, Settings
from deploy.watching.readiness import OUTAGES

_log: Final = logging.getLogger(__name__)

Announce = Callable[[ListenerSettings, str], None]


class Listeners:
    """The listeners of a process; they are served until its stack is closed."""

    def __init__(
        self,
        settings: Settings,
        observe: Observer,
        announce: Announce,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        """Take who hears of each answer, and who of each listener and its URL once it serves."""
        self._http: Final = settings.http
        self._observe: Final = observe
        self._announce: Final = announce
        self._stack: Final = stack
        # What all listeners share.
        self._connections: Final = connections_of(settings.listeners)
        self._unsent: Final = UnsentAnswers(settings.http.max_unsent_bytes)
        traces = settings.observing.traces
        self._answering: Final = ApplicationSettings(
            max_body_bytes=settings.http.max_body_bytes,
            body_timeout_s=settings.http.body_timeout_s,
            continue_traces=traces is not None and traces.continue_traces,
        )
        self._servers: Final[list[ServedListeners]] = []

    async def serve(
        self,
        listeners: Sequence[ListenerSettings],
        routers: Mapping[Api, Sequence[Router]],
        operators: OrdinaryRoutes | None = None,
    ) -> None:
        """Serve these listeners until the process ends. Raises `StartRefused`."""
        made = [
            _listener(
                one,
                self._application(one, routers, operators),
                max_connections=self._connections[one],
                answer_timeout_s=self._http.answer_timeout_s,
            )
            for one in listeners
        ]
        served = serve(made, drain_s=self._http.shutdown_s, unsent=self._unsent)
        try:
            server = await served.__aenter__()
        except PermissionError as error:
            raise StartRefused(
                f"The server has no right to listen on {_addresses(made)}.",
                "Ports below 1024 need CAP_NET_BIND_SERVICE: with systemd, install the drop-in "
                "deploy/systemd/low-ports.conf. Or let a reverse proxy listen there.",
            ) from error
        except OSError as error:
            raise StartRefused(
                f"The server cannot listen on {_addresses(made)}: {error.strerror or error}.",
                "Stop what listens there, or set another address or port under listeners.",
            ) from error
        # Whatever ends the server, requests under way are finished.
        self._stack.push_async_callback(served.__aexit__, None, None, None)
        self._servers.append(server)
        for listener, port in zip(listeners, server.ports, strict=True):
            self._announce(listener, _url(listener, port))

    def _application(
        self,
        listener: ListenerSettings,
        routers: Mapping[Api, Sequence[Router]],
        operators: OrdinaryRoutes | None,
    ) -> Application:
        """Return what is served at a listener."""
        return application(
            [router for api in dict.fromkeys(listener.apis) for router in routers.get(api, ())],
            # Web pages have no business with what operators call.
            settings=replace(self._answering, cors="operators" not in listener.apis),
            outages=OUTAGES,
            observe=self._observe,
            ordinary=operators if "operators" in listener.apis else None,
        )

    def reload_certificates(self) -> None:
        """Read the certificates again; one that cannot be used leaves the former one."""
        try:
            for server in self._servers:
                server.reload_certificates()
        except OSError as error:
            _log.error(
                "A certificate cannot be used: the former one stays", extra={"error": str(error)}
            )
        else:
            _log.info("The certificates were read again")


def _listener(
    settings: ListenerSettings,
    application: Application,
    *,
    max_connections: int,
    answer_timeout_s: float,
) -> Listener:
    """Return the listener of these settings; its certificate is tried first."""
    tls = settings.tls
    if tls is not None:
        try:
            load_certificate(Path(tls.certificate_path), Path(tls.key_path))
        except OSError as error:  # ssl.SSLError is one
            raise StartRefused(
                f"The certificate {tls.certificate_path} with key {tls.key_path} cannot be used: "
                f"{error.strerror or error}.",
                "Both have to be PEM files that belong together and that the server may read.",
            ) from error
    return Listener(
        application,
        host=settings.address,
        port=settings.port,
        certificate=Path(tls.certificate_path) if tls else None,
        private_key=Path(tls.key_path) if tls else None,
        trusted_proxies=settings.trusted_proxies,
        keep_alive_s=settings.keep_alive_s,
        max_connections=max_connections,
        answer_timeout_s=answer_timeout_s,
    )


def _addresses(listeners: Sequence[Listener]) -> str:
    return ", ".join(f"{one.host} port {one.port}" for one in listeners)


def _url(listener: ListenerSettings, port: int) -> str:
    host = f"[{listener.address}]" if ":" in listener.address else listener.address
    return f"{'https' if listener.tls else 'http'}://{host}:{port}"
