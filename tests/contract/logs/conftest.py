"""Each log in turn, for the tests that all logs must pass."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logs.log import Log
from tests.contract.logs.under_test import EmbeddedHost, KafkaHost, LogHost


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LogHost]:
    """Give a place with an empty log."""
    host: LogHost
    if request.param == "embedded":
        host = EmbeddedHost(tmp_path / "log")
    else:
        host = KafkaHost(request.getfixturevalue("kafka_broker"))
    yield host
    await host.close()


@pytest.fixture
async def log(host: LogHost) -> Log:
    """Give an empty log."""
    return await host.open()
