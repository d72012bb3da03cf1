"""What the tests of the media server are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.mediaapi.media_house import Deployment, MediaHouse


@pytest.fixture(name="deployment")
def fixture_deployment(database_url: str, tmp_path: Path) -> Deployment:
    return Deployment(database_url, tmp_path / "media")


@pytest.fixture(name="house")
async def fixture_house(deployment: Deployment) -> AsyncIterator[MediaHouse]:
    async with deployment.start() as house:
        yield house
