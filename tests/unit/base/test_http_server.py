"""The server on real sockets: listeners, limits, disconnects and shutting down."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from base.http import (
    Application,
    ApplicationSettings,
    Listener,
    Request,
    Response,
    Router,
    StreamingResponse,
    application,
    current_request_id,
    empty_response,
    json_response,
    serve,
)
from base.http.router import Handler
from tests.fixtures.certificates import certificate_of, make_certificate


async def length(request: Request) -> Response:
    return json_response(len(await request.body()))


def app(handler: Handler, *, long_poll: bool = False) -> Application:
    router = Router()
    router.post("/x", handler, long_poll=long_poll)
    return application([router], settings=ApplicationSettings(max_body_bytes=100_000))


def saying(word: str) -> Handler:
    async def handler(_request: Request) -> Response:
        return json_response(word)

    return handler


async def exchange(port: int, request: bytes) -> bytes:
    """Send bytes as they are, and return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    # A server that closes while it is still sent to resets the connection.
    with contextlib.suppress(ConnectionResetError):
        while piece := await reader.read(65536):
            answer += piece
    writer.close()
    return answer


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as open_session:
        yield open_session


async def test_each_listener_answers_with_its_own_application(
    session: aiohttp.ClientSession,
) -> None:
    listeners = [Listener(app(saying("one"))), Listener(app(saying("two")))]

    async with serve(listeners) as server:
        words = []
        for port in server.ports:
            async with session.post(f"http://127.0.0.1:{port}/x") as answer:
                words.append(await answer.json())

    assert words == ["one", "two"]


async def test_an_address_that_is_taken_is_an_error() -> None:
    async with serve([Listener(app(length))]) as server:
        with pytest.raises(OSError, match="in use"):
            async with serve([Listener(app(length)), Listener(app(length), port=server.ports[0])]):
                pytest.fail("it served")


async def test_a_listener_speaks_tls(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    listener = Listener(app(saying("hi")), certificate=certificate, private_key=key)

    async with (
        serve([listener]) as server,
        aiohttp.ClientSession(connector=trusting) as session,
        session.post(f"https://localhost:{server.ports[0]}/x") as answer,
    ):
        assert await answer.json() == "hi"


async def test_certificates_are_read_again_without_a_restart(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    first = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    listener = Listener(app(saying("hi")), certificate=certificate, private_key=key)

    async with serve([listener]) as server:
        shown = [await certificate_of(server.ports[0])]
        certificate.write_text("no certificate")
        with pytest.raises(OSError, match="PEM"):
            server.reload_certificates()
        shown.append(await certificate_of(server.ports[0]))
        make_certificate(tmp_path)
        server.reload_certificates()
        shown.append(await certificate_of(server.ports[0]))

    assert shown == [first, first, ssl.PEM_cert_to_DER_cert(certificate.read_text())]
    assert shown[2] != first


async def test_a_large_answer_leaves_whole_over_tls(tmp_path: Path) -> None:
    async def large(_request: Request) -> Response:
        return Response(b"x" * 20_000_000)

    certificate, key = make_certificate(tmp_path)
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(certificate)))
    listener = Listener(app(large), certificate=certificate, private_key=key)

    async with (
        serve([listener]) as server,
        aiohttp.ClientSession(connector=trusting) as session,
        session.post(f"https://localhost:{server.ports[0]}/x") as answer,
    ):
        assert len(await answer.read()) == 20_000_000


async def test_a_tls_handshake_that_is_not_finished_counts_as_a_connection(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    listener = Listener(
        app(saying("hi")), certificate=certificate, private_key=key, max_connections=1
    )

    async with serve([listener]) as server:
        _, silent = await asyncio.open_connection("127.0.0.1", server.ports[0])
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await certificate_of(server.ports[0])
        silent.close()
        await silent.wait_closed()
        assert await certificate_of(server.ports[0])


async def test_a_chunked_body_arrives_whole(session: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(9):
            yield b"x" * 11_000

    async with (
        serve([Listener(app(length))]) as server,
        session.post(f"http://127.0.0.1:{server.ports[0]}/x", data=chunks()) as answer,
    ):
        assert await answer.json() == 99_000


async def test_a_chunked_body_over_the_limit_is_refused(session: aiohttp.ClientSession) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    async with (
        serve([Listener(app(length))]) as server,
        session.post(f"http://127.0.0.1:{server.ports[0]}/x", data=chunks()) as answer,
    ):
        assert answer.status == 413
        assert (await answer.json())["errcode"] == "M_TOO_LARGE"


async def test_who_sends_a_body_over_the_limit_to_its_end_reads_the_refusal() -> None:
    body = b"x" * 4_000_000
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)

    async with serve([Listener(app(length))]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
        writer.write(request + body)
        await writer.drain()
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_declared_length_over_the_limit_is_refused_before_the_body() -> None:
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n"
    request += b"Expect: 100-continue\r\n\r\n"

    async with serve([Listener(app(length))]) as server:
        answer = await exchange(server.ports[0], request)

    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_client_that_asks_first_is_told_to_continue() -> None:
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
    head += b"Expect: 100-continue\r\nConnection: close\r\n\r\n"

    async with serve([Listener(app(length))]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n3")


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    router = Router()
    router.post("/x", length)
    hasty = application([router], settings=ApplicationSettings(body_timeout_s=0.05))

    async with serve([Listener(hasty)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
        writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        answer = await reader.readuntil(b"}")
        writer.close()

    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_client_that_goes_in_mid_body_is_nobodys_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        try:
            return json_response(len(await request.body()))
        finally:
            ended.set()

    async with serve([Listener(app(handler))]) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
        writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        await started.wait()
        writer.close()
        await ended.wait()

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_head_is_answered_without_a_body_and_the_connection_stays() -> None:
    router = Router()
    router.get("/x", saying("hello"))

    async with serve([Listener(application([router]))]) as server:
        answer = await exchange(
            server.ports[0],
            b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"
            b"OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )

    first, second, third = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200")
    assert first.endswith(b"\r\n\r\n")
    assert second.startswith(b"204")
    assert second.endswith(b"\r\n\r\n")
    assert b"content-length" not in second
    assert third.endswith(b'\r\n\r\n"hello"')


async def test_a_streamed_answer_arrives_piece_by_piece() -> None:
    sent = asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes]:
        yield b"one"
        await sent.wait()
        yield b"HTTP/1.1 two"
        yield b"three"

    async def handler(_request: Request) -> StreamingResponse:
        return StreamingResponse(pieces())

    router = Router()
    router.get("/x", handler)
    async with serve([Listener(application([router]))]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
        writer.write(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await reader.readuntil(b"one\r\n")
        sent.set()
        rest = await reader.read()
        writer.close()

    assert rest == b"c\r\nHTTP/1.1 two\r\n5\r\nthree\r\n0\r\n\r\n"


async def test_a_client_that_goes_ends_its_long_poll() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(_request: Request) -> Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return empty_response()

    async with serve([Listener(app(handler, long_poll=True))]) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.ports[0])
        writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        await started.wait()
        writer.close()
        await ended.wait()


async def test_a_request_in_flight_is_finished_before_the_server_stops(
    session: aiohttp.ClientSession,
) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def handler(_request: Request) -> Response:
        started.set()
        await finish.wait()
        return json_response("done")

    async with serve([Listener(app(handler))]) as server:
        url = f"http://127.0.0.1:{server.ports[0]}/x"
        call = asyncio.create_task(session.post(url))
        await started.wait()
        asyncio.get_running_loop().call_later(0.2, finish.set)

    async with await call as answer:
        assert await answer.json() == "done"
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.post(url)


async def test_a_request_that_hangs_holds_up_the_end_only_so_long(
    session: aiohttp.ClientSession,
) -> None:
    started = asyncio.Event()

    async def handler(_request: Request) -> Response:
        started.set()
        await asyncio.Event().wait()
        return empty_response()

    async with serve([Listener(app(handler))], drain_s=0) as server:
        call = asyncio.create_task(session.post(f"http://127.0.0.1:{server.ports[0]}/x"))
        await started.wait()

    async with await call as answer:
        assert answer.status == 503


async def request_id_of_answer(port: int, given: str | None) -> tuple[str, str]:
    """Return the request ID that a handler saw and the one in its answer."""
    headers = {} if given is None else {"x-request-id": given}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/x", headers=headers) as answer,
    ):
        return await answer.json(), answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("trusted", "given", "is_taken"),
    [
        (("127.0.0.1",), "from-the-proxy.1", True),
        (("127.0.0.1",), "no fit\tID", False),
        (("127.0.0.1",), "x" * 65, False),
        (("127.0.0.1",), None, False),
        (("192.0.2.0/24",), "from-anybody", False),
        ((), "from-anybody", False),
    ],
)
async def test_a_request_id_is_believed_from_trusted_proxies_only(
    trusted: tuple[str, ...], given: str | None, *, is_taken: bool
) -> None:
    async def handler(_request: Request) -> Response:
        return json_response(current_request_id())

    async with serve([Listener(app(handler), trusted_proxies=trusted)]) as server:
        seen, answered = await request_id_of_answer(server.ports[0], given)
        again, _ = await request_id_of_answer(server.ports[0], given)

    assert seen == answered != ""
    assert (seen == given) == is_taken
    assert (seen == again) == is_taken
