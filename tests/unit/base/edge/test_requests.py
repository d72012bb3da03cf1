"""What anybody may send to a socket: each gets a clear answer, or an end, in bounded memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio

from base.http import Request, Response, json_response, serve
from tests.unit.base.edge.sockets import (
    CHUNKED,
    LAST,
    all_of,
    connected,
    exchange,
    listener,
    status_of,
)

CLOSING = b" HTTP/1.1\r\nConnection: close\r\n\r\n"
CHUNKED_LAST = CHUNKED.replace(b"Host: a", b"Connection: close")
POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(name="port", scope="module", loop_scope="module")
async def fixture_port() -> AsyncIterator[int]:
    """Give the port of a server that answers all of these requests."""
    async with serve([listener()]) as server:
        yield server.ports[0]


async def answers_of(pieces: Iterable[bytes], **options: float) -> list[bytes]:
    """Return the answers to what is sent, without what stands before each status."""
    async with serve([listener(**options)]) as server:  # type: ignore[arg-type]
        return (await exchange(server.ports[0], pieces)).split(b"HTTP/1.1 ")[1:]


NESTED = b'{"a":' * 5000 + b"1" + b"}" * 5000
HUGE_NUMBER = b'{"a":' + b"9" * 500_000 + b"}"


def with_body(body: bytes, headers: bytes = b"") -> bytes:
    return POST + headers + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


MALFORMED = {
    "no HTTP": [b"nonsense\r\n\r\n"],
    "TLS in plain": [b"\x16\x03\x01\x02\x00\x01\x00"],
    "HTTP/2": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "path not ASCII": [b"POST /x\xff HTTP/1.1\r\n\r\n"],
    "bare NUL in the path": [b"GET /\0 HTTP/1.1\r\n\r\n"],
    "NUL in a header": [b"GET /x HTTP/1.1\r\nX: a\0b\r\n\r\n"],
    "CONNECT": [b"CONNECT a.org:443 HTTP/1.1\r\n\r\n"],
    "unknown method": [b"BREW /x HTTP/1.1\r\n\r\n"],
    "absolute without a path": [b"GET http://a.org HTTP/1.1\r\n\r\n"],
    "bare line feeds": [b"GET /x HTTP/1.1\nHost: a\n\n"],
    "folded header": [POST + b"X: a\r\n b\r\n\r\n"],
    "space before the colon": [POST + b"X : a\r\n\r\n"],
    "two lengths": [POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    "negative length": [POST + b"Content-Length: -1\r\n\r\n"],
    "length over 64 bits": [POST + b"Content-Length: 99999999999999999999999\r\n\r\n"],
    "length and chunks": [POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"],
    "chunks not last": [POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n"],
    "bad size of a chunk": [CHUNKED + b"zz\r\n"],
    "endless size of a chunk": [CHUNKED + b"f" * 40 + b"\r\n"],
    "upgrade with a body": [
        POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}"
    ],
}
TOO_LARGE = {
    "endless extension": [CHUNKED, b"1;" + b"x" * 200_000],
    "tiny chunks without end": [CHUNKED, *[b"1\r\n{\r\n"] * 40_000],
    "trailers without end": [CHUNKED, b"0\r\n", *[b"X: " + b"x" * 4000 + b"\r\n"] * 100],
    "one trailer without end": [CHUNKED, b"0\r\nX: ", *[b"x" * 4000] * 100],
    "endless request line": [b"GET /", *[b"x" * 4000] * 100],
    "endless query": [b"GET /x?", *[b"a=b&" * 1000] * 100],
    "endless header": [POST, b"X: ", *[b"x" * 4000] * 100],
    "headers without end": [POST, *[b"X: " + b"y" * 40 + b"\r\n"] * 5000],
    "too many headers": [POST, b"X:\r\n" * 300, b"\r\n"],
    "nothing but line ends": [b"\r\n" * 50_000],
}
REFUSED = {
    "path not UTF-8": (400, "M_INVALID_PARAM", [b"GET /%ff" + CLOSING]),
    "NUL in the path": (400, "M_INVALID_PARAM", [b"GET /%00" + CLOSING]),
    "many parameters": (400, "M_INVALID_PARAM", [b"GET /x?" + b"a=b&" * 1000 + CLOSING]),
    "bad percent-encoding": (404, "M_UNRECOGNIZED", [b"GET /%zz" + CLOSING]),
    "asterisk": (404, "M_UNRECOGNIZED", [b"GET *" + CLOSING]),
    "other method": (405, "M_UNRECOGNIZED", [b"PATCH /x" + CLOSING]),
    "body over the limit": (
        413,
        "M_TOO_LARGE",
        [CHUNKED_LAST, *[b"1000\r\n" + b"x" * 4096 + b"\r\n"] * 300, b"0\r\n\r\n"],
    ),
    "deep JSON": (400, "M_NOT_JSON", [with_body(NESTED)]),
    "deeper JSON": (400, "M_NOT_JSON", [with_body(b"[" * 500_000)]),
    "huge number": (400, "M_NOT_JSON", [with_body(HUGE_NUMBER)]),
    "compressed body": (
        400,
        "M_NOT_JSON",
        [with_body(b"\x1f\x8b\x08\0\0", b"Content-Encoding: gzip\r\n")],
    ),
}
CASES = {
    **{name: (400, "M_UNKNOWN", sent) for name, sent in MALFORMED.items()},
    **{name: (431, "M_TOO_LARGE", sent) for name, sent in TOO_LARGE.items()},
    **REFUSED,
}


@pytest.mark.parametrize(("status", "errcode", "sent"), CASES.values(), ids=CASES.keys())
async def test_what_cannot_be_served_is_answered_and_ends(
    port: int, status: int, errcode: str, sent: list[bytes]
) -> None:
    (answer,) = (await exchange(port, sent)).split(b"HTTP/1.1 ")[1:]

    head, _, body = answer.partition(b"\r\n\r\n")
    assert (status_of(answer), json.loads(body)["errcode"]) == (status, errcode)
    assert b"access-control-allow-origin: *" in head
    assert b"connection: close" in head


ODD = {
    "HTTP/1.0": (b"GET /x HTTP/1.0\r\n\r\n", b"{}"),
    "absolute": (b"GET http://a.org/x?a=b" + CLOSING, b'{"a":"b"}'),
    "percent-encoded": (b"GET /%78" + CLOSING, b"{}"),
    "upgrade": (b"GET /x HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + LAST, b"{}"),
    "empty lines before": (b"\r\n\r\n" + LAST, b"{}"),
    "a key twice": (with_body(b'{"a":1,"a":2}'), b'{"a":2}'),
    "chunks": (
        CHUNKED_LAST + b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n",
        b"{}",
    ),
}


@pytest.mark.parametrize(("sent", "body"), ODD.values(), ids=ODD.keys())
async def test_what_is_odd_but_clear_is_served(port: int, sent: bytes, body: bytes) -> None:
    (answer,) = (await exchange(port, [sent])).split(b"HTTP/1.1 ")[1:]

    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\n" + body)
    assert b"connection: close" in answer


async def test_trailers_are_no_headers() -> None:
    seen: list[str | None] = []

    async def handler(request: Request) -> Response:
        await request.body()
        seen.append(request.header("authorization"))
        return json_response({})

    async with serve([listener(handler)]) as server:
        sent = CHUNKED + b"0\r\nAuthorization: Bearer x\r\n\r\n" + LAST
        await exchange(server.ports[0], [sent])

    assert seen == [None, None]


async def test_a_head_that_does_not_come_to_its_end_is_not_waited_for() -> None:
    (answer,) = await answers_of([POST], head_timeout_s=0.05)

    assert status_of(answer) == 408
    assert await answers_of([], head_timeout_s=0.05) == []
    assert await answers_of([b"\r\n"], head_timeout_s=0.05) == []


async def test_a_body_that_does_not_begin_is_not_waited_for() -> None:
    sent = POST + b"Content-Length: 5\r\nConnection: close\r\n\r\n"

    (answer,) = await answers_of([sent], body_timeout_s=0.05)

    assert status_of(answer) == 408


async def test_a_body_that_dribbles_after_the_answer_ends_the_connection() -> None:
    head = b"POST /none HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"

    async with (
        serve([listener(linger_s=0.05)]) as server,
        connected(server.ports[0]) as (reader, writer),
    ):
        writer.write(head)
        answer = asyncio.create_task(all_of(reader))
        while not answer.done():
            writer.write(b"x")
            await asyncio.wait([answer], timeout=0.01)

    assert status_of((await answer).removeprefix(b"HTTP/1.1 ")) == 404


async def test_a_body_that_ends_after_the_answer_leaves_the_connection() -> None:
    async with serve([listener()]) as server, connected(server.ports[0]) as (reader, writer):
        writer.write(b"POST /none HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(b"x" * 1000 + LAST)
        assert status_of((await all_of(reader)).removeprefix(b"HTTP/1.1 ")) == 200
