"""The conversation of matrix-nio, as it is held with the monolith, in a cluster."""

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.interop.nio_person import Person, person
from tests.interop.test_matrix_nio import *  # noqa: F403 (every test of it)
from tests.system.server_process import ServerProcess

_numbers = itertools.count()


@pytest.fixture(name="alice")
async def new_alice(server: ServerProcess) -> AsyncIterator[Person]:
    """Somebody who is new: the cluster remembers the users of other tests."""
    async with person(server, f"alice-{next(_numbers)}") as someone:
        yield someone


@pytest.fixture(name="bob")
async def new_bob(server: ServerProcess) -> AsyncIterator[Person]:
    """Somebody else."""
    async with person(server, f"bob-{next(_numbers)}") as someone:
        yield someone
