"""Fixtures of tests that run the server as a process and speak to it over HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.system.client import Homeserver
from tests.system.server_process import SHARED_SECRET, ServerProcess

NO_RATE_LIMITS: Final[dict[str, Any]] = {
    "clientapi": {
        "send_rate_per_user": None,
        "join_rate_per_user": None,
        "invite_rate_per_user": None,
        "creation_rate_per_user": None,
    }
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A monolith on a free port with open registration, empty at first."""
    process = ServerProcess(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The server's settings for its database, once for SQLite and once for PostgreSQL."""
    if request.param == "sqlite":
        return {}
    return {"database": {"url": request.getfixturevalue("postgres_url")}}


@pytest.fixture
def busy_server(tmp_path: Path, database_settings: dict[str, Any]) -> Iterator[ServerProcess]:
    """A monolith without rate limits, over each kind of database."""
    process = ServerProcess(tmp_path, NO_RATE_LIMITS | database_settings)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def homeserver(busy_server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    """A server without rate limits as its clients see it, over each kind of database."""
    return Homeserver(http, lambda: busy_server.url, shared_secret=SHARED_SECRET)
