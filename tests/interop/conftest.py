"""Fixtures of tests in which other programs speak to the server."""

from collections.abc import Iterator

import pytest

from tests.system.conftest import NO_RATE_LIMITS, server
from tests.system.server_process import ServerProcess

__all__ = ["server"]


@pytest.fixture(scope="session", name="sdk_server")
def fixture_sdk_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that many tests share, each with users of its own."""
    process = ServerProcess(tmp_path_factory.mktemp("server"), dict(NO_RATE_LIMITS))
    process.start()
    yield process
    process.kill()
