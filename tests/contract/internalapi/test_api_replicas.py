"""A component of several processes: who is asked, and what happens when one is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import aiohttp
import pytest

from base.http import Listener, application, serve
from internalapi.deadlines import DeadlineExceeded, deadline
from internalapi.transport import ApiUnavailable, Replicas, api_router
from internalapi.transport.client import api_client, open_session
from matrix.errors import Forbidden

NOBODY = "http://127.0.0.1:1"


class Counting(Protocol):
    """A small API."""

    async def query_name(self) -> str:
        """Say who answers."""
        ...

    async def perform_name(self) -> str:
        """Say who answers, for good."""
        ...


class Replica:
    """One process of the component."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_stuck = False
        self.refuses = False
        self.asked = 0
        self.is_asked = asyncio.Event()

    async def query_name(self) -> str:
        self.asked += 1
        self.is_asked.set()
        if self.is_stuck:
            await asyncio.Event().wait()
        if self.refuses:
            raise Forbidden
        return self.name

    async def perform_name(self) -> str:
        return await self.query_name()


class Clock:
    """Seconds that stand still."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s


@asynccontextmanager
async def serving(*replicas: Counting) -> AsyncIterator[list[str]]:
    async with AsyncExitStack() as stack:
        urls = []
        for replica in replicas:
            router = api_router(Counting, replica, secret="s")
            server = await stack.enter_async_context(
                serve([Listener(application([router]))], drain_s=0)
            )
            urls.append(f"http://127.0.0.1:{server.ports[0]}")
        yield urls


@asynccontextmanager
async def hanging_up() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve nothing: hang up after the head of each request."""
    asked: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


def client_of(
    session: aiohttp.ClientSession, *urls: str, attempt_timeout_s: float = 30.0
) -> Counting:
    return api_client(
        Counting,
        Replicas(urls),
        secret="s",
        session=session,
        timeout_s=20.0,
        attempt_timeout_s=attempt_timeout_s,
    )


async def test_replicas_are_asked_in_turn(session: aiohttp.ClientSession) -> None:
    async with serving(Replica("a"), Replica("b"), Replica("c")) as urls:
        client = client_of(session, *urls)

        names = [await client.query_name() for _ in range(6)]

    assert sorted(names[:3]) == ["a", "b", "c"]
    assert names[:3] == names[3:]


async def test_one_that_cannot_be_reached_is_passed_over(session: aiohttp.ClientSession) -> None:
    async with serving(Replica("a")) as urls:
        client = client_of(session, NOBODY, *urls, NOBODY)

        assert {await client.query_name() for _ in range(4)} == {"a"}
        assert {await client.perform_name() for _ in range(4)} == {"a"}


async def test_when_none_can_be_reached_the_caller_hears_it(session: aiohttp.ClientSession) -> None:
    client = client_of(session, NOBODY, NOBODY)

    for call in (client.query_name, client.perform_name):
        with pytest.raises(ApiUnavailable, match="cannot be reached"):
            await call()


async def test_a_query_whose_replica_hangs_up_is_asked_of_another(
    session: aiohttp.ClientSession,
) -> None:
    async with serving(Replica("a")) as urls, hanging_up() as (broken, asked):
        for order in ((*urls, broken), (broken, *urls)):
            assert await client_of(session, *order).query_name() == "a"

    assert len(asked) == 1


async def test_a_change_whose_replica_hangs_up_is_not_made_elsewhere(
    session: aiohttp.ClientSession,
) -> None:
    async with hanging_up() as (one, asked_one), hanging_up() as (two, asked_two):
        with pytest.raises(ApiUnavailable, match="broke off"):
            await client_of(session, one, two).perform_name()

    assert len(asked_one + asked_two) == 1


async def test_a_query_that_is_stuck_is_asked_of_another(session: aiohttp.ClientSession) -> None:
    stuck, well = Replica("stuck"), Replica("well")
    stuck.is_stuck = True
    async with serving(stuck, well) as urls:
        client = client_of(session, *urls, attempt_timeout_s=0.1)

        assert [await client.query_name() for _ in range(3)] == ["well"] * 3


async def test_one_that_lets_a_change_run_out_of_time_is_felt_once(
    session: aiohttp.ClientSession,
) -> None:
    stuck, well = Replica("stuck"), Replica("well")
    stuck.is_stuck = True
    async with serving(well, stuck) as urls:
        client = client_of(session, *urls, attempt_timeout_s=0.1)
        with pytest.raises(DeadlineExceeded):
            async with deadline(0.1):
                await client.perform_name()

        assert [await client.perform_name() for _ in range(4)] == ["well"] * 4
        assert stuck.asked == 1


async def test_one_whose_caller_gave_up_is_felt_once(session: aiohttp.ClientSession) -> None:
    stuck, well = Replica("stuck"), Replica("well")
    stuck.is_stuck = True
    async with serving(well, stuck) as urls:
        client = client_of(session, *urls, attempt_timeout_s=0.0001)
        call = asyncio.create_task(client.perform_name())
        await stuck.is_asked.wait()
        call.cancel()
        await asyncio.wait([call])

        assert [await client.perform_name() for _ in range(4)] == ["well"] * 4


async def test_one_whose_caller_gave_up_at_once_has_not_failed(
    session: aiohttp.ClientSession,
) -> None:
    slow, other = Replica("slow"), Replica("other")
    slow.is_stuck = True
    async with serving(other, slow) as urls:
        client = client_of(session, *urls)
        call = asyncio.create_task(client.perform_name())
        await slow.is_asked.wait()
        call.cancel()
        await asyncio.wait([call])
        slow.is_stuck = False

        assert {await client.perform_name() for _ in range(2)} == {"slow", "other"}


async def test_one_that_failed_is_tried_again_by_one_call_only(
    session: aiohttp.ClientSession, clock: Clock
) -> None:
    stuck, well = Replica("stuck"), Replica("well")
    stuck.is_stuck = True
    async with serving(well, stuck) as urls:
        replicas = Replicas(urls, monotonic_s=clock.monotonic_s)
        client = api_client(Counting, replicas, secret="s", session=session)
        replicas.failed(1)
        clock.now_s += 1

        first = asyncio.create_task(client.query_name())
        await stuck.is_asked.wait()
        assert [await client.query_name() for _ in range(4)] == ["well"] * 4
        assert stuck.asked == 1
        first.cancel()
        await asyncio.wait([first])


async def test_a_refusal_is_an_answer(session: aiohttp.ClientSession, clock: Clock) -> None:
    strict, other = Replica("strict"), Replica("other")
    strict.refuses = True
    async with serving(other, strict) as urls:
        replicas = Replicas(urls, monotonic_s=clock.monotonic_s)
        client = api_client(Counting, replicas, secret="s", session=session)
        replicas.failed(1)
        clock.now_s += 1
        with pytest.raises(Forbidden):
            await client.query_name()

        strict.refuses = False
        assert {await client.query_name() for _ in range(2)} == {"strict", "other"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_one_that_failed_is_asked_last_for_a_while(clock: Clock) -> None:
    replicas = Replicas(["x", "y"], monotonic_s=clock.monotonic_s)
    replicas.failed(0)

    assert [replicas.order()[0] for _ in range(3)] == [1, 1, 1]

    clock.now_s += 1
    assert {replicas.order()[0] for _ in range(2)} == {0, 1}


def test_one_that_failed_is_not_tried_again_by_a_change(clock: Clock) -> None:
    replicas = Replicas(["x", "y"], monotonic_s=clock.monotonic_s)
    replicas.failed(0)
    clock.now_s += 1

    assert [replicas.order(is_query=False)[0] for _ in range(4)] == [1] * 4


def test_where_all_have_failed_changes_are_still_sent_in_turn(clock: Clock) -> None:
    replicas = Replicas(["x", "y"], monotonic_s=clock.monotonic_s)
    replicas.failed(0)
    replicas.failed(1)

    assert {replicas.order(is_query=False)[0] for _ in range(2)} == {0, 1}


def test_one_that_goes_on_failing_rests_longer(clock: Clock) -> None:
    replicas = Replicas(["x", "y"], monotonic_s=clock.monotonic_s)
    for _ in range(10):
        replicas.failed(0)

    clock.now_s += 14
    assert [replicas.order()[0] for _ in range(2)] == [1, 1]

    replicas.answered(0)
    assert {replicas.order()[0] for _ in range(2)} == {0, 1}
