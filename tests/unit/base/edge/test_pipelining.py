"""Requests that are sent without waiting for the answers before them."""

import asyncio
import gc

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from base.http import Request, Response, json_response, serve
from tests.unit.base.edge.sockets import CHUNKED, all_of, connected, exchange, listener, status_of


@pytest.mark.parametrize("long_poll", [False, True])
async def test_pipelined_requests_are_answered_in_order_and_wait_unparsed(
    *, long_poll: bool
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        await release.wait()
        return json_response(request.query_required("n"))

    async with (
        serve([listener(handler, long_poll=long_poll)]) as server,
        connected(server.ports[0]) as (reader, writer),
    ):
        answer = asyncio.create_task(all_of(reader))
        for number in range(3000):
            writer.write(b"GET /x?n=%d HTTP/1.1\r\n\r\n" % number)
        writer.write(b"GET /x?n=last HTTP/1.1\r\nConnection: close\r\n\r\n")
        await started.wait()
        # A long poll looks after its client by then, which lets more in.
        await asyncio.sleep(0.1)
        waiting = sum(isinstance(one, RequestResponseCycle) for one in gc.get_objects())
        release.set()
        answers = (await answer).split(b"HTTP/1.1 200 OK\r\n")[1:]

    assert [one.rpartition(b"\r\n\r\n")[2].strip(b'"') for one in answers] == [
        *[b"%d" % number for number in range(3000)],
        b"last",
    ]
    assert waiting < 300


async def test_a_refusal_waits_for_the_answers_before_it() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def handler(_request: Request) -> Response:
        started.set()
        await release.wait()
        return json_response({})

    async with serve([listener(handler)]) as server:
        sent = b"GET /x HTTP/1.1\r\n\r\n" * 2 + CHUNKED + b"zz\r\n"
        answer = asyncio.create_task(exchange(server.ports[0], [sent]))
        await started.wait()
        release.set()
        answers = (await answer).split(b"HTTP/1.1 ")[1:]

    assert [status_of(one) for one in answers] == [200, 200, 400]
