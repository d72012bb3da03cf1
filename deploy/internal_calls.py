"""The components in other processes, as this process calls them."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from aiohttp import ClientSession

from deploy.asked_apis import RoomApis, UserApis
from deploy.errors import StartRefused
from deploy.other_processes import internal_secret, urls_of
from deploy.settings import InternalSettings
from internalapi.clientapi import Departures
from internalapi.process import Process, ProcessStatus
from internalapi.receipts import FullyReadMarkers
from internalapi.roomserver import RoomDirectory, RoomQueries
from internalapi.syncapi import Relations
from internalapi.transport import CallMetrics, Replicas, Shares
from internalapi.transport.client import api_client, open_session
from internalapi.userapi import (
    AccountData,
    Accounts,
    Authentication,
    CurrentTokens,
    Filters,
    Profiles,
    ReplacedRooms,
    Reports,
    UserDirectory,
)

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

    def users(self) -> UserApis:
        """Return the user API in other processes."""
        call = self._api
        return UserApis(
            call("userapi", Authentication),
            call("userapi", CurrentTokens),
            call("userapi", Accounts),
            call("userapi", Profiles),
            call("userapi", Filters),
            call("userapi", AccountData),
            call("userapi", Reports),
            call("userapi", ReplacedRooms),
            call("userapi", UserDirectory),
        )

    def rooms(self, partition_of: Callable[[str], int]) -> RoomApis:
        """Return the room server in other processes; a room is asked for where its partition is."""
        shares = Shares("room_id", partition_of)
        return RoomApis(
            self._client(RoomQueries, self._replicas["roomserver"], shares),
            self._api("roomserver", RoomDirectory),
        )

    def departures(self) -> Departures | None:
        """Return the client API in other processes, as the user API needs it, if it has a URL."""
        return self._api("clientapi", Departures) if "clientapi" in self._replicas else None

    def markers(self) -> FullyReadMarkers | None:
        """Return the receipt server elsewhere, as the user API needs it, if it has a URL."""
        return self._api("receipts", FullyReadMarkers) if "receipts" in self._replicas else None

    def relations(self) -> Relations | None:
        """Return client sync in other processes, as the client API needs it, if it has a URL."""
        return self._api("syncapi", Relations) if "syncapi" in self._replicas else None

    def process(self, url: str) -> Process:
        """Return the process at a URL."""
        return self._client(Process, Replicas([url]))

    async def query_reached(self, component: str) -> ProcessStatus:
        """Return the status of one process of a component. Raises `ApiUnavailable`."""
        return await self._api(component, Process).query_status()

    def _api(self, component: str, protocol: Callable[..., P]) -> P:
        return self._client(protocol, self._replicas[component])

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
