"""The components in other processes, as this process calls them."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from aiohttp import ClientSession

from deploy.errors import StartRefused
from deploy.settings import InternalSettings
from deploy.wiring.other_processes import internal_secret, urls_of
from internalapi.process import Process, ProcessStatus
from internalapi.transport import CallMetrics, Replicas, Shares
from internalapi.transport.client import api_client, open_session

P = TypeVar("P")


class InternalCalls:
    """Clients of the components whose URLs are in the settings."""

    def __init__(
        self,
        settings: InternalSettings,
        secret: str,
        session: ClientSession,
        metrics: CallMetrics | None,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._session = session
        self._metrics = metrics
        self._replicas: Final = {
            name: Replicas(urls) for name, urls in urls_of(settings).items() if urls
        }

    def api(self, component: str, protocol: Callable[..., P], shares: Shares | None = None) -> P:
        """Return an API of a component in other processes, whose URLs are in the settings.

        `shares` learns which replica has what in memory.
        """
        return self._client(protocol, self._replicas[component], shares)

    def process(self, url: str) -> Process:
        """Return the process at a URL."""
        return self._client(Process, Replicas([url]))

    async def query_reached(self, component: str) -> ProcessStatus:
        """Return the status of one process of a component. Raises `ApiUnavailable`."""
        return await self.api(component, Process).query_status()

    def _client(
        self, protocol: Callable[..., P], replicas: Replicas, shares: Shares | None = None
    ) -> P:
        return api_client(
            protocol,
            replicas,
            secret=self._secret,
            session=self._session,
            timeout_s=self._settings.timeout_s,
            attempt_timeout_s=self._settings.attempt_timeout_s,
            metrics=self._metrics,
            shares=shares,
        )


@contextlib.asynccontextmanager
async def internal_calls(
    settings: InternalSettings, metrics: CallMetrics | None = None
) -> AsyncIterator[InternalCalls]:
    """Hold connections to other processes; `metrics` counts the calls. Raises `StartRefused`."""
    secret = internal_secret(settings)
    session = open_session(
        settings.max_connections,
        tls=_certificates(settings),
        connect_timeout_s=settings.connect_timeout_s,
    )
    async with session as opened:
        yield InternalCalls(settings, secret, opened, metrics)


def _certificates(settings: InternalSettings) -> ssl.SSLContext | None:
    if not settings.ca_path:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_path)
    except OSError as error:  # ssl.SSLError is one
        raise StartRefused(
            f"The certificates {settings.ca_path} cannot be used: {error.strerror or error}.",
            "internal.ca_path names a PEM file with the certificates that are believed.",
        ) from error
