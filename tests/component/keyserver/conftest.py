"""What the tests of the key server are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logs.embedded import EmbeddedLog
from tests.component.keyserver.keyserver_house import (
    DevicesOfTest,
    House,
    open_log,
    running_house,
)


@pytest.fixture(name="log")
async def fixture_log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    log = await open_log(tmp_path)
    yield log
    await log.close()


@pytest.fixture(name="users")
def fixture_users() -> DevicesOfTest:
    return DevicesOfTest()


@pytest.fixture(name="house")
async def fixture_house(
    log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> AsyncIterator[House]:
    async with running_house(log, database_url, users) as house:
        yield house
