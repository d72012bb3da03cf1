import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from bench.http import (
    NO_ANSWER,
    Address,
    AnswerParser,
    Connection,
    MalformedAnswerError,
    build_request,
)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listening = Callable[[Handler], AbstractAsyncContextManager[Address]]


WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"HTTP/1.1 429 Slow down\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;extension=1\r\n world\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(("raw", "status"), [(WITH_LENGTH, 200), (CHUNKED, 429)])
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_an_answer_is_whole_however_its_bytes_arrive(raw: bytes, status: int, piece: int) -> None:
    parser = AnswerParser()
    pieces = [raw[at : at + piece] for at in range(0, len(raw), piece)]

    complete = [parser.feed(each) for each in pieces]

    assert complete == [False] * (len(pieces) - 1) + [True]
    assert (parser.status, parser.body, parser.keep_alive) == (status, b"hello world", True)


def test_an_interim_answer_is_passed_over() -> None:
    parser = AnswerParser()

    assert parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + WITH_LENGTH)

    assert parser.status == 200


def test_a_body_without_length_ends_with_the_connection() -> None:
    parser = AnswerParser()

    assert not parser.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert not parser.feed(b" world")

    assert parser.end_of_stream()
    assert parser.body == b"hello world"


def test_a_cut_off_body_is_not_an_answer() -> None:
    parser = AnswerParser()
    parser.feed(WITH_LENGTH[:-1])

    assert not parser.end_of_stream()


def test_something_else_than_http_is_refused() -> None:
    with pytest.raises(MalformedAnswerError):
        AnswerParser().feed(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def test_a_connection_carries_one_request_after_another(listening: Listening) -> None:
    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
            if path == b"/second":
                return

    async with listening(answer_all) as address:
        connection = Connection(address)
        bodies = [
            (await connection.request(build_request("GET", path))).body
            for path in ("/first", "/second")
        ]
        connection.close()

    assert bodies == [b"/first", b"/second"]


async def test_a_cut_off_request_is_answered_with_nothing_and_never_repeated(
    listening: Listening,
) -> None:
    requests = 0

    async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1

    async with listening(hang_up) as address:
        connection = Connection(address)
        first = await connection.request(build_request("GET", "/"))
        second = await connection.request(build_request("GET", "/"))

    assert (first.status, second.status) == (NO_ANSWER, NO_ANSWER)
    assert requests == 2


async def test_a_request_is_given_up_after_its_time_and_the_next_one_works(
    listening: Listening,
) -> None:
    requests = 0

    async def answer_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        if requests == 2:
            writer.write(WITH_LENGTH)
        await reader.read()

    async with listening(answer_the_second) as address:
        connection = Connection(address)
        first = await connection.request(build_request("GET", "/"), timeout_s=0.05)
        second = await connection.request(build_request("GET", "/"))
        connection.close()

    assert (first.status, first.body) == (NO_ANSWER, b"timed out")
    assert second.ok


async def test_a_server_that_is_not_there_is_an_answer_with_nothing(listening: Listening) -> None:
    async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async with listening(never) as address:
        pass

    answer = await Connection(address).request(build_request("GET", "/"))

    assert answer.status == NO_ANSWER


def test_a_request_says_how_long_its_body_is() -> None:
    request = build_request("PUT", "/path", token="secret", body=b"{}")

    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /path HTTP/1.1\r\n")
    assert b"\r\nContent-Length: 2" in head
    assert b"\r\nAuthorization: Bearer secret" in head
    assert body == b"{}"
