"""What the tests of the user API are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logs.log import Log
from tests.component.userapi.userapi_server import Deployment, User, UserApiServer


@pytest.fixture(name="deployment")
def fixture_deployment(database_url: str, tmp_path: Path) -> Deployment:
    return Deployment(database_url, tmp_path)


@pytest.fixture(name="log")
async def fixture_log(deployment: Deployment) -> AsyncIterator[Log]:
    async with deployment.open_log() as log:
        yield log


@pytest.fixture(name="server")
async def fixture_server(deployment: Deployment, log: Log) -> AsyncIterator[UserApiServer]:
    async with deployment.start(log) as server:
        yield server


@pytest.fixture(name="alice")
async def fixture_alice(server: UserApiServer) -> User:
    return await server.user("alice")


@pytest.fixture(name="bob")
async def fixture_bob(server: UserApiServer) -> User:
    return await server.user("bob")
