"""An API in this process, and the same one over HTTP: a caller cannot tell which it holds."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from base.http import ApplicationSettings, Listener, application, serve
from internalapi.transport import api_router
from internalapi.transport.client import api_client, open_session

Connect = Callable[[type[Any], Any], AbstractAsyncContextManager[Any]]

SECRET = "between us"


class DiskAway(Exception):
    """What an implementation's database raises when it is away."""


@asynccontextmanager
async def connect_directly(protocol: type[Any], implementation: Any) -> AsyncIterator[Any]:
    del protocol
    yield implementation


@asynccontextmanager
async def connect_by_http(protocol: type[Any], implementation: Any) -> AsyncIterator[Any]:
    router = api_router(protocol, implementation, secret=SECRET, outages=(DiskAway,))
    app = application([router], settings=ApplicationSettings(cors=False))
    async with serve([Listener(app)], drain_s=1) as server, open_session() as session:
        url = f"http://127.0.0.1:{server.ports[0]}"
        yield api_client(protocol, url, secret=SECRET, session=session)


@pytest.fixture(params=[connect_directly, connect_by_http], ids=["direct", "http"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Return what makes an API out of a Protocol and its implementation."""
    given: Connect = request.param
    return given


@pytest.fixture
def over_http() -> Connect:
    """Return the same, by HTTP only: for what only another process can do."""
    return connect_by_http


@pytest.fixture
def disk_away() -> type[Exception]:
    """Return the exception that the HTTP server was told to be an outage."""
    return DiskAway
