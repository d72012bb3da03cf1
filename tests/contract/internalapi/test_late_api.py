"""An API that is asked before its component is built."""

from typing import Protocol

import pytest

from internalapi.transport import LateApi
from matrix.errors import Unavailable


class Bells(Protocol):
    """Bells of a door."""

    async def query_rung(self, *, door: str) -> str: ...


class Bell:
    async def query_rung(self, *, door: str) -> str:
        return f"{door} rings"


async def test_until_it_is_there_it_is_unavailable_and_then_it_is_the_object_s_own() -> None:
    late = LateApi(Bells)
    taken_before = late.api.query_rung
    with pytest.raises(Unavailable):
        await late.api.query_rung(door="front")

    bell = Bell()
    late.connect(bell)

    assert await late.api.query_rung(door="front") == "front rings"
    assert await taken_before(door="back") == "back rings"
    # No call goes through anything else from now on.
    assert late.api.query_rung == bell.query_rung
