"""What can happen between two processes, and how a caller hears of it."""

import asyncio
import importlib
import inspect
import logging
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp
import msgspec
import pytest

import internalapi
from base.http import Listener, Response, Router, application, json_response, serve
from internalapi.deadlines import DeadlineExceeded, deadline
from internalapi.transport import (
    ApiMismatch,
    ApiSecretRefused,
    ApiUnavailable,
    InternalError,
    NotAnApi,
    api_router,
)
from internalapi.transport.client import api_client, open_session
from matrix.errors import NotFound, Unavailable

Connect = Callable[[type[Any], Any], AbstractAsyncContextManager[Any]]


class Greeting(Protocol):
    """A small API."""

    async def query_greeting(self, *, name: str) -> str:
        """Greet."""
        ...

    async def perform_greeting(self, *, name: str) -> str:
        """Greet, for good."""
        ...


class Greeter:
    """An implementation that does as it is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.names: list[str] = []

    async def query_greeting(self, *, name: str) -> str:
        self.names.append(name)
        if self.failure is not None:
            raise self.failure
        return f"hello {name}"

    async def perform_greeting(self, *, name: str) -> str:
        return await self.query_greeting(name=name)


def shy_refusal() -> NotFound:
    """Return a refusal whose type no module declares."""

    class ShyName(NotFound):
        """The name is not told."""

    return ShyName("shy")


def greeting_router(implementation: Greeting, *, max_body_bytes: int = 1 << 20) -> Router:
    return api_router(Greeting, implementation, secret="s", max_body_bytes=max_body_bytes)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


def client_of(port: int, session: aiohttp.ClientSession, secret: str = "s") -> Greeting:
    return api_client(Greeting, f"http://127.0.0.1:{port}/", secret=secret, session=session)


@asynccontextmanager
async def serving(*routers: Router) -> AsyncIterator[int]:
    async with serve([Listener(application(routers))], drain_s=1) as server:
        yield server.ports[0]


@asynccontextmanager
async def broken_server(answers: list[bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer each request with the next bytes and hang up; keep what was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers[len(asked) - 1] if len(asked) <= len(answers) else b"")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def http(status: int, body: bytes, content_type: bytes = b"application/msgpack") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nContent-Type: %s\r\nConnection: close\r\n\r\n"
    return head % (status, len(body), content_type) + body


async def test_a_bug_on_the_other_side_is_an_internal_error_and_logged_there(
    over_http: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with over_http(Greeting, Greeter(ZeroDivisionError("secret"))) as api:
        with pytest.raises(InternalError) as raised:
            await api.query_greeting(name="alice")

    assert "secret" not in str(raised.value)
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info is not None for record in logged] == [True]


async def test_an_outage_on_the_other_side_is_a_reason_to_try_again(
    over_http: Connect, disk_away: type[Exception]
) -> None:
    async with over_http(Greeting, Greeter(disk_away("full"))) as api:
        with pytest.raises(ApiUnavailable):
            await api.query_greeting(name="alice")


async def test_an_undeclared_kind_of_a_declared_error_crosses_as_the_declared_one(
    over_http: Connect,
) -> None:
    async with over_http(Greeting, Greeter(shy_refusal())) as api:
        with pytest.raises(NotFound, match="shy") as raised:
            await api.query_greeting(name="alice")

    assert type(raised.value) is NotFound


async def test_a_wrong_secret_is_refused_and_logged(
    session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    greeter = Greeter()
    async with serving(greeting_router(greeter)) as port:
        for secret in ("", "t", "s ", "ss", "é"):
            with pytest.raises(ApiSecretRefused):
                await client_of(port, session, secret).query_greeting(name="alice")

    assert greeter.names == []
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 5


async def test_a_process_that_is_not_there_is_unavailable(session: aiohttp.ClientSession) -> None:
    async with serving() as port:
        pass

    with pytest.raises(ApiUnavailable):
        await client_of(port, session).query_greeting(name="alice")


async def test_a_method_that_the_other_side_does_not_know_is_a_mismatch(
    session: aiohttp.ClientSession,
) -> None:
    async with serving() as port:
        with pytest.raises(ApiMismatch):
            await client_of(port, session).query_greeting(name="alice")


async def test_an_argument_of_another_type_is_a_mismatch(over_http: Connect) -> None:
    greeter = Greeter()
    async with over_http(Greeting, greeter) as api:
        with pytest.raises(ApiMismatch, match="name"):
            await api.query_greeting(name=5)

    assert greeter.names == []


async def test_a_result_of_another_type_is_a_mismatch(over_http: Connect) -> None:
    class Liar(Greeter):
        async def query_greeting(self, *, name: str) -> Any:
            return [name]

    async with over_http(Greeting, Liar()) as api:
        with pytest.raises(ApiMismatch):
            await api.query_greeting(name="alice")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(200, b"\xc1"), ApiMismatch),
        (http(200, b""), ApiMismatch),
        (http(200, b"{}", b"application/json"), ApiMismatch),
        (http(301, b""), ApiMismatch),
        (http(403, b"nginx"), ApiMismatch),
        (http(404, b"{}", b"application/json"), ApiMismatch),
        (http(404, b"\xc1", b"application/x-xylem-error"), ApiMismatch),
        (
            http(404, msgspec.msgpack.encode(["a.B", [], {}]), b"application/x-xylem-error"),
            ApiMismatch,
        ),
        (http(500, b"", b"text/plain"), InternalError),
        (http(502, b"", b"text/html"), ApiUnavailable),
        (http(503, b"{}", b"application/json"), ApiUnavailable),
        (b"nonsense\r\n\r\n", Unavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", ApiUnavailable),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_error_of_its_kind(
    session: aiohttp.ClientSession, answer: bytes, error: type[Exception]
) -> None:
    async with broken_server([answer]) as (port, _):
        with pytest.raises(error):
            await client_of(port, session).perform_greeting(name="alice")


async def test_a_query_whose_connection_broke_is_asked_once_more(
    session: aiohttp.ClientSession,
) -> None:
    good = http(200, msgspec.msgpack.encode("hello"))
    async with broken_server([b"", good]) as (port, asked):
        assert await client_of(port, session).query_greeting(name="alice") == "hello"
        assert len(asked) == 2

    async with broken_server([b"", b"", good]) as (port, asked):
        with pytest.raises(ApiUnavailable):
            await client_of(port, session).query_greeting(name="alice")
        assert len(asked) == 2


async def test_a_change_whose_connection_broke_is_not_made_twice(
    session: aiohttp.ClientSession,
) -> None:
    async with broken_server([b""]) as (port, asked):
        with pytest.raises(ApiUnavailable):
            await client_of(port, session).perform_greeting(name="alice")

        assert len(asked) == 1


async def test_a_silent_process_is_not_waited_for_beyond_the_time_out(
    session: aiohttp.ClientSession,
) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        impatient = api_client(
            Greeting, f"http://127.0.0.1:{port}", secret="s", session=session, timeout_s=0.1
        )
        with pytest.raises(DeadlineExceeded):
            await impatient.query_greeting(name="alice")
        with pytest.raises(DeadlineExceeded):
            async with deadline(0.1):
                await client_of(port, session).query_greeting(name="alice")


@pytest.mark.parametrize("seconds", ["soon", "nan", "inf", ""])
async def test_a_deadline_that_is_no_number_is_refused(
    session: aiohttp.ClientSession, seconds: str
) -> None:
    greeter = Greeter()
    headers = {"Authorization": "Bearer s", "x-xylem-deadline": seconds}
    body = msgspec.msgpack.encode({"name": "alice"})
    async with serving(greeting_router(greeter)) as port:
        url = f"http://127.0.0.1:{port}/internal/test_api_transport/Greeting/query_greeting"
        async with session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 503

    assert greeter.names == []


async def test_a_call_over_the_size_limit_is_a_mismatch(session: aiohttp.ClientSession) -> None:
    router = greeting_router(Greeter(), max_body_bytes=1000)
    async with serving(router) as port:
        with pytest.raises(ApiMismatch):
            await client_of(port, session).query_greeting(name="x" * 1001)


async def test_two_apis_and_other_routes_share_a_listener(session: aiohttp.ClientSession) -> None:
    async def health(_request: Any) -> Response:
        return json_response("well")

    router = Router()
    router.get("/health", health)
    async with serving(router, greeting_router(Greeter())) as port:
        assert await client_of(port, session).query_greeting(name="bob") == "hello bob"
        async with session.get(f"http://127.0.0.1:{port}/health") as answer:
            assert await answer.json() == "well"


class Today(Protocol):
    """An API as it is now."""

    async def query_day(self, *, day: int) -> str:
        """Return the day."""
        ...


class Tomorrow(Protocol):
    """The same API, later."""

    async def query_day(self, *, day: int, month: int = 1) -> str:
        """Return the day."""
        ...


Tomorrow.__qualname__ = Today.__qualname__


class Calendar:
    """Implements both."""

    async def query_day(self, *, day: int, month: int = 1) -> str:
        return f"{day}.{month}."


async def test_processes_of_two_versions_talk_to_each_other(
    session: aiohttp.ClientSession,
) -> None:
    calendar = Calendar()
    tomorrow: Tomorrow = calendar
    today: Today = calendar
    async with serving(api_router(Tomorrow, tomorrow, secret="s")) as port:
        old = api_client(Today, f"http://127.0.0.1:{port}", secret="s", session=session)
        assert await old.query_day(day=2) == "2.1."
    async with serving(api_router(Today, today, secret="s")) as port:
        new = api_client(Tomorrow, f"http://127.0.0.1:{port}", secret="s", session=session)
        assert await new.query_day(day=2) == "2.1."


class Strange:
    """What msgpack knows nothing of."""


class Synchronous(Protocol):
    def query(self) -> int: ...


class Positional(Protocol):
    async def query(self, one: int) -> int: ...


class Untyped(Protocol):
    async def query(self, *, one) -> int: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


class Unreturning(Protocol):
    async def query(self): ...  # type: ignore[no-untyped-def]  # noqa: ANN201


class Streaming(Protocol):
    def query(self) -> AsyncIterator[int]: ...


@pytest.mark.parametrize(
    "protocol", [Synchronous, Positional, Untyped, Unreturning, Streaming, Greeter]
)
def test_what_cannot_be_carried_is_no_api(protocol: type[Any]) -> None:
    with pytest.raises(NotAnApi):
        api_router(protocol, Greeter(), secret="s")


async def test_a_value_that_does_not_cross_is_an_internal_error(over_http: Connect) -> None:
    class Odd(Greeter):
        async def query_greeting(self, *, name: str) -> Any:
            del name
            return Strange()

    async with over_http(Greeting, Odd()) as api:
        with pytest.raises(InternalError):
            await api.query_greeting(name="alice")


def declared_apis() -> Iterator[type[Any]]:
    for found in pkgutil.iter_modules(internalapi.__path__):
        if found.ispkg or found.name == "deadlines":
            continue
        module = importlib.import_module(f"internalapi.{found.name}")
        for member in vars(module).values():
            mine = inspect.isclass(member) and member.__module__ == module.__name__
            if mine and getattr(member, "_is_protocol", False):
                yield member


@pytest.mark.parametrize("protocol", [*declared_apis()], ids=lambda one: one.__qualname__)
async def test_every_internal_api_can_be_carried(
    protocol: type[Any], session: aiohttp.ClientSession
) -> None:
    client = api_client(protocol, "http://127.0.0.1:1", secret="s", session=session)

    router = api_router(protocol, client, secret="s")

    assert {route.template.rpartition("/")[2] for route in router.routes} == {
        name for name in vars(protocol) if not name.startswith("_")
    }
