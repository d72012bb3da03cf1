"""The small proxy of a cluster on one machine: who gets a request, and what comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest
import yarl

from base.http import (
    Listener,
    Request,
    Response,
    Router,
    application,
    json_response,
    serve,
)
from localcluster import proxy
from localcluster.programs import free_port

SEND = "/_matrix/client/v3/rooms/!tea:localhost/send/m.room.message/1"
VERSIONS = "/_matrix/client/versions"
SYNC = "/_matrix/client/v3/sync"
Start = Callable[..., AbstractAsyncContextManager[str]]


class Component:
    """A process that says what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.gone = asyncio.Event()
        self.router = Router()
        self.router.get(VERSIONS, self.answer)
        self.router.post("/_matrix/client/v3/login", self.answer)
        self.router.put("/_matrix/client/v3/rooms/{room}/send/{type}/{txn}", self.answer)
        self.router.get(SYNC, self.wait, long_poll=True)

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        return json_response(
            {
                "name": self.name,
                "path": request.path,
                "length": len(body),
                "for": request.header("x-forwarded-for"),
            }
        )

    async def wait(self, _request: Request) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            self.gone.set()
        return Response()


@asynccontextmanager
async def serving(component: Component) -> AsyncIterator[int]:
    app = application([component.router])
    async with serve([Listener(app)], drain_s=0) as server:
        yield server.ports[0]


@asynccontextmanager
async def proxying(patience_s: float = 30, **ports: list[int]) -> AsyncIterator[str]:
    port = free_port()
    running = asyncio.create_task(proxy.serve(port, ports, patience_s=patience_s))
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_request_goes_to_the_component_that_answers_it(
    http: aiohttp.ClientSession,
) -> None:
    async with (
        serving(Component("users")) as users,
        serving(Component("clients")) as clients,
        proxying(userapi=[users], clientapi=[clients]) as url,
    ):
        for _ in range(3):
            async with http.get(url + VERSIONS) as answer:
                assert (await answer.json())["name"] == "users"
            async with http.put(url + SEND, data=b"x" * 100_000) as answer:
                told = await answer.json()
                assert (told["name"], told["length"]) == ("clients", 100_000)


async def test_a_path_arrives_as_it_was_sent(http: aiohttp.ClientSession) -> None:
    path = "/_matrix/client/v3/rooms/!a%2Fb:localhost/send/m.room.message/1%3F"
    async with (
        serving(Component("clients")) as port,
        proxying(clientapi=[port]) as url,
        http.put(yarl.URL(url + path, encoded=True), data=b"") as answer,
    ):
        told = await answer.json()

    assert told["path"] == {"room": "!a/b:localhost", "type": "m.room.message", "txn": "1?"}


async def test_the_component_hears_who_asks(http: aiohttp.ClientSession) -> None:
    async with serving(Component("users")) as port, proxying(userapi=[port]) as url:
        async with http.get(url + VERSIONS) as answer:
            alone = (await answer.json())["for"]
        headers = {"X-Forwarded-For": "192.0.2.1"}
        async with http.get(url + VERSIONS, headers=headers) as answer:
            behind_another = (await answer.json())["for"]

    assert (alone, behind_another) == ("127.0.0.1", "192.0.2.1, 127.0.0.1")


async def test_an_answer_to_head_has_no_body(http: aiohttp.ClientSession) -> None:
    async with serving(Component("users")) as port, proxying(userapi=[port]) as url:
        async with http.head(url + VERSIONS) as answer:
            assert answer.status == 200
        async with http.get(url + VERSIONS) as answer:
            assert (await answer.json())["name"] == "users"


async def test_replicas_take_turns_and_one_that_is_away_is_passed_over(
    http: aiohttp.ClientSession,
) -> None:
    async with (
        serving(Component("a")) as a,
        serving(Component("b")) as b,
        proxying(userapi=[a, free_port(), b]) as url,
    ):
        names = []
        for _ in range(6):
            async with http.post(f"{url}/_matrix/client/v3/login", data=b"{}") as answer:
                names.append((await answer.json())["name"])

    assert set(names) == {"a", "b"}


@asynccontextmanager
async def standing_still() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Take requests and answer none."""
    asked: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.read()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked


async def test_a_replica_that_stands_still_is_passed_over_for_a_while(
    http: aiohttp.ClientSession,
) -> None:
    async with (
        serving(Component("clients")) as port,
        standing_still() as (still, asked),
        proxying(patience_s=0.2, clientapi=[port, still]) as url,
    ):
        for _ in range(6):
            async with http.put(url + SEND, data=b"{}") as answer:
                assert (await answer.json())["name"] == "clients"

    assert len(asked) == 1


async def test_what_may_not_be_repeated_is_answered_once_it_takes_too_long(
    http: aiohttp.ClientSession,
) -> None:
    async with (
        standing_still() as (still, asked),
        standing_still() as (other, asked_too),
        proxying(patience_s=0.2, userapi=[still, other]) as url,
        http.post(f"{url}/_matrix/client/v3/login", data=b"{}") as answer,
    ):
        assert (answer.status, (await answer.json())["errcode"]) == (504, "M_UNKNOWN")

    assert len(asked) + len(asked_too) == 1


async def test_an_answer_that_the_client_lets_wait_is_not_late(
    http: aiohttp.ClientSession,
) -> None:
    async with (
        standing_still() as (still, asked),
        proxying(patience_s=0.1, syncapi=[still]) as url,
    ):
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(0.5),
                http.get(f"{url}{SYNC}?since=s1&timeout=30000"),
            ):
                pass

    assert len(asked) == 1


async def test_a_client_that_goes_away_is_not_waited_for(http: aiohttp.ClientSession) -> None:
    component = Component("sync")
    async with serving(component) as port, proxying(syncapi=[port]) as url:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), http.get(url + SYNC):
                pass
        async with asyncio.timeout(10):
            await component.gone.wait()


async def test_what_nobody_answers_is_refused(http: aiohttp.ClientSession) -> None:
    async with proxying(clientapi=[free_port()]) as url:
        for path, status in (
            (VERSIONS, 404),
            ("/internal/userapi/Authentication/query_token", 404),
            (SEND, 502),
            ("/_matrix/client/v3/no_such_thing", 502),
        ):
            async with http.put(url + path, data=b"{}") as answer:
                assert answer.status == status


async def test_what_is_no_request_is_refused() -> None:
    async with proxying(clientapi=[free_port()]) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", yarl.URL(url).port)
        writer.write(b"Twinkle, twinkle, little bat\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.split(b" ", 2)[1] == b"400"
