"""A component whose replicas have shares of its work in memory: who is asked first."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import aiohttp
import pytest

from base.http import Listener, Router, application, serve
from internalapi.transport import Replicas, Shares, api_router
from internalapi.transport.client import api_client, open_session


class Rooms(Protocol):
    """A small API about numbered rooms, which are shared out by their last digit."""

    async def query_answerer(self, *, room: int) -> str:
        """Say who answers."""
        ...

    async def query_all(self) -> str:
        """Say who answers, whatever it is about."""
        ...

    async def perform_change(self, *, room: int) -> str:
        """Say who changes something."""
        ...


class Replica:
    """One process of the component."""

    def __init__(self, name: str, *shares: int) -> None:
        self.name = name
        self.shares = list(shares)

    def held(self) -> list[int]:
        return self.shares

    async def query_answerer(self, *, room: int) -> str:
        del room
        return self.name

    async def query_all(self) -> str:
        return self.name

    async def perform_change(self, *, room: int) -> str:
        del room
        return self.name


def router_of(replica: Rooms, shares: Callable[[], Iterable[int]] | None) -> Router:
    return api_router(Rooms, replica, secret="s", shares=shares)


@asynccontextmanager
async def serving(*replicas: Replica) -> AsyncIterator[list[str]]:
    async with AsyncExitStack() as stack:
        urls = []
        for replica in replicas:
            router = router_of(replica, replica.held)
            server = await stack.enter_async_context(
                serve([Listener(application([router]))], drain_s=0)
            )
            urls.append(f"http://127.0.0.1:{server.ports[0]}")
        yield urls


def client_of(urls: list[str], session: aiohttp.ClientSession) -> Rooms:
    shares = Shares("room", lambda room: room % 10)
    return api_client(Rooms, Replicas(urls), secret="s", session=session, shares=shares)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


async def test_who_has_the_share_is_asked_once_that_is_known(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(Replica("one", 1, 3), Replica("two", 2)) as urls:
        rooms = client_of(urls, session)
        for _ in urls:
            await rooms.query_all()

        asked = [await rooms.query_answerer(room=room) for room in (11, 11, 12, 23, 32, 41)]

    assert asked == ["one", "one", "two", "one", "two", "one"]


async def test_shares_that_nobody_has_and_calls_without_one_go_round(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(Replica("one", 1), Replica("two", 2)) as urls:
        rooms = client_of(urls, session)
        for _ in urls:
            await rooms.query_all()

        nobodys = {await rooms.query_answerer(room=9) for _ in range(4)}
        unshared = {await rooms.query_all() for _ in range(4)}
        changes = {await rooms.perform_change(room=11) for _ in range(4)}

    assert nobodys == unshared == changes == {"one", "two"}


async def test_a_share_that_moves_is_followed(session: aiohttp.ClientSession) -> None:
    one, two = Replica("one", 1), Replica("two", 2)
    async with serving(one, two) as urls:
        rooms = client_of(urls, session)
        for _ in urls:
            await rooms.query_all()
        one.shares, two.shares = [], [1, 2]
        for _ in urls:
            await rooms.query_all()

        asked = {await rooms.query_answerer(room=11) for _ in range(4)}

    assert asked == {"two"}


async def test_where_the_holder_cannot_be_reached_another_one_answers(
    session: aiohttp.ClientSession,
) -> None:
    two = Replica("two", 2)
    async with serving(two) as urls:
        async with serving(Replica("one", 1)) as gone:
            rooms = client_of([*gone, *urls], session)
            for _ in range(2):
                await rooms.query_all()
            before = await rooms.query_answerer(room=11)

        after = [await rooms.query_answerer(room=11) for _ in range(4)]

    assert before == "one"
    assert after == ["two"] * 4


async def test_a_replica_that_says_nothing_is_asked_in_turn(
    session: aiohttp.ClientSession,
) -> None:
    one, two = Replica("one"), Replica("two")
    async with AsyncExitStack() as stack:
        urls = []
        for replica in (one, two):
            router = router_of(replica, None)
            server = await stack.enter_async_context(
                serve([Listener(application([router]))], drain_s=0)
            )
            urls.append(f"http://127.0.0.1:{server.ports[0]}")
        rooms = client_of(urls, session)

        asked = {await rooms.query_answerer(room=11) for _ in range(4)}

    assert asked == {"one", "two"}
