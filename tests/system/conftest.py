"""Fixtures of tests that run the server as a process and speak to it over HTTP."""

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.spec.clients import checked
from tests.system.client import Homeserver
from tests.system.server_process import SHARED_SECRET, ServerProcess

ASKING_FOR_TOKENS: Final = {
    "userapi": "/account/whoami",
    "clientapi": "/rooms/!unknown:example.org/aliases",
    "syncapi": "/joined_rooms",
}
"""Of each component that clients reach, a path that is answered 401 without a valid token."""
NO_RATE_LIMITS: Final[dict[str, Any]] = {
    "clientapi": {
        "send_rate_per_user": None,
        "join_rate_per_user": None,
        "invite_rate_per_user": None,
        "creation_rate_per_user": None,
        "directory_rate_per_address": None,
        "request_rate_per_user": None,
        "to_device_rate_per_user": None,
    },
    "keyserver": {"backup_rate_per_user": None},
    "syncapi": {"request_rate_per_user": None},
}
_test_numbers = itertools.count()


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
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trace_configs=[checked()]) as session:
        yield session


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def busy_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A monolith without rate limits, over each kind of database; a module's tests share it."""
    settings = dict(NO_RATE_LIMITS)
    if request.param == "postgres":
        settings["database"] = {"url": request.getfixturevalue("postgres_module_url")}
    process = ServerProcess(tmp_path_factory.mktemp("server"), settings)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def homeserver(busy_server: ServerProcess, http: aiohttp.ClientSession) -> Iterator[Homeserver]:
    """A server as the clients of one test see it, who have names of their own."""
    errors_before = len(busy_server.errors())
    yield Homeserver(
        http,
        lambda: busy_server.url,
        shared_secret=SHARED_SECRET,
        name_suffix=f".{next(_test_numbers)}",
    )
    assert not busy_server.errors()[errors_before:]


@pytest.fixture
def readers(homeserver: Homeserver) -> Sequence[Homeserver]:
    """Who can be asked for what was written: in a cluster each replica, here the server."""
    return [homeserver]


@pytest.fixture
def doors(homeserver: Homeserver) -> Sequence[tuple[Homeserver, str]]:
    """Who takes access tokens, with a path that asks for one: in a cluster each replica."""
    return [(homeserver, path) for path in ASKING_FOR_TOKENS.values()]
