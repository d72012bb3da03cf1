"""A receipt server on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.receipts.receipts_house import House, running_house


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with running_house(tmp_path, database_url) as running:
        yield running
