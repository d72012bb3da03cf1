"""What the tests of the client API are given."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.clientapi.clientapi_server import House, User, running_house


@pytest.fixture(name="house")
async def fixture_house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_house(tmp_path) as house:
        yield house


@pytest.fixture(name="alice")
async def fixture_alice(house: House) -> User:
    return await house.user("alice")


@pytest.fixture(name="bob")
async def fixture_bob(house: House) -> User:
    return await house.user("bob")


@pytest.fixture(name="charlie")
async def fixture_charlie(house: House) -> User:
    return await house.user("charlie")


@pytest.fixture(name="room_id")
async def fixture_room_id(alice: User, bob: User) -> str:
    """A public room of alice's, with bob in it."""
    room_id = await alice.create_room(preset="public_chat")
    answer = await bob.join(room_id)
    assert answer.status == 200, answer
    return room_id
