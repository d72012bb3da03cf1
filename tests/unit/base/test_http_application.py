"""Every request gets an answer, whatever its handler does."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Literal

import pytest

from base.http import (
    ApplicationSettings,
    Fields,
    Request,
    Response,
    Router,
    StreamingResponse,
    application,
    current_request_id,
    empty_response,
    json_response,
)
from base.http.router import Handler
from base.http.testing import Client
from matrix.errors import Forbidden, LimitExceeded, UnknownToken


class BrokerAway(Exception):
    """A dependency is away."""


class WatchedEvent(asyncio.Event):
    """An event that says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.watched.set()
        return await super().wait()


def raising(error: Exception) -> Handler:
    async def handler(_request: Request) -> Response:
        raise error

    return handler


def client(handler: Handler, *, cors: bool = True, long_poll: bool = False) -> Client:
    router = Router()
    router.get("/x", handler, long_poll=long_poll)
    return Client(
        application([router], settings=ApplicationSettings(cors=cors), outages=(BrokerAway,))
    )


async def test_a_refusal_becomes_its_errcode_and_status() -> None:
    answer = await client(raising(Forbidden("Not for you"))).get("/x")

    assert answer.status == 403
    assert answer.json == {"errcode": "M_FORBIDDEN", "error": "Not for you"}
    assert answer.headers["content-type"] == "application/json"


async def test_further_fields_of_a_refusal_are_answered() -> None:
    answer = await client(raising(UnknownToken(soft_logout=True))).get("/x")

    assert answer.status == 401
    assert answer.json["soft_logout"] is True


async def test_too_many_requests_hear_when_to_come_back() -> None:
    answer = await client(raising(LimitExceeded(1001))).get("/x")

    assert answer.status == 429
    assert answer.json["retry_after_ms"] == 1001
    assert answer.headers["retry-after"] == "2"


async def test_an_outage_asks_to_try_again(caplog: pytest.LogCaptureFixture) -> None:
    answer = await client(raising(BrokerAway("no broker"))).get("/x")

    assert (answer.status, answer.errcode) == (503, "M_UNKNOWN")
    assert int(answer.headers["retry-after"]) >= 1
    assert "no broker" not in answer.json["error"]
    # The process tells of an outage once, not each request.
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_a_bug_is_logged_once_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    answer = await client(raising(ZeroDivisionError("secret detail"))).get("/x")

    assert answer.status == 500
    assert answer.json == {"errcode": "M_UNKNOWN", "error": "Internal server error"}
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_bytes_are_answered_as_they_are() -> None:
    async def handler(_request: Request) -> Response:
        return json_response(b'{"a":  1}', 202)

    answer = await client(handler).get("/x")

    assert (answer.status, answer.body) == (202, b'{"a":  1}')
    assert answer.headers["content-length"] == "9"


@pytest.mark.parametrize("path", ["/x", "/unknown"])
async def test_web_pages_of_any_origin_may_read_every_answer(path: str) -> None:
    for handler in (raising(Forbidden()), raising(ZeroDivisionError())):
        answer = await client(handler).get(path)
        assert answer.status >= 400
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_preflight_hears_what_is_allowed() -> None:
    answer = await client(raising(Forbidden())).request("OPTIONS", "/x")

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]


async def test_web_pages_may_be_kept_out() -> None:
    answer = await client(raising(Forbidden()), cors=False).get("/x")

    assert "access-control-allow-origin" not in answer.headers


async def test_a_response_may_come_in_pieces() -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"one"
        yield b"two"

    async def handler(_request: Request) -> StreamingResponse:
        return StreamingResponse(pieces(), length=6, content_type=b"text/plain")

    answer = await client(handler).get("/x")

    assert (answer.body, answer.complete) == (b"onetwo", True)
    assert answer.headers["content-length"] == "6"


async def test_a_response_that_fails_half_way_breaks_off(caplog: pytest.LogCaptureFixture) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"one"
        raise OSError("disk")

    async def handler(_request: Request) -> StreamingResponse:
        return StreamingResponse(pieces())

    answer = await client(handler).get("/x")

    assert (answer.body, answer.complete) == (b"one", False)
    assert len(caplog.records) == 1


async def test_head_takes_no_piece() -> None:
    taken = []

    async def pieces() -> AsyncGenerator[bytes]:
        taken.append(1)
        yield b"one"

    async def handler(_request: Request) -> StreamingResponse:
        return StreamingResponse(pieces(), length=3)

    answer = await client(handler).request("HEAD", "/x")

    assert (answer.body, answer.headers["content-length"], taken) == (b"", "3", [])


async def test_pieces_are_closed_when_the_client_has_gone() -> None:
    gone, closed = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            yield b"one"
            gone.set()
            while True:
                await asyncio.sleep(0)
                yield b"more"
        finally:
            closed.set()

    async def handler(_request: Request) -> StreamingResponse:
        return StreamingResponse(pieces())

    await client(handler).request("GET", "/x", gone=gone)

    assert closed.is_set()


async def test_a_handler_may_take_the_body_as_it_comes() -> None:
    async def handler(request: Request) -> Response:
        sizes = [len(piece) async for piece in request.body_pieces(within_s=60)]
        return json_response(sizes)

    answer = await client(handler).request("GET", "/x", body=[b"1", b"22", b"333"])

    assert answer.json == [1, 2, 3]


async def test_a_body_that_takes_too_long_in_all_is_refused() -> None:
    async def handler(request: Request) -> Response:
        return json_response([len(piece) async for piece in request.body_pieces(within_s=0)])

    answer = await client(handler).request("GET", "/x", body=[b"1", b"2"])

    assert answer.status == 408


async def test_a_long_poll_ends_when_its_client_has_gone() -> None:
    started, gone, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(_request: Request) -> Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return empty_response()

    call = asyncio.create_task(client(handler, long_poll=True).request("GET", "/x", gone=gone))
    await started.wait()
    gone.set()

    assert (await call).status == 0
    assert cancelled.is_set()


async def test_a_long_poll_whose_client_stays_is_answered() -> None:
    gone = WatchedEvent()

    async def handler(_request: Request) -> Response:
        await gone.watched.wait()
        return empty_response()

    answer = await client(handler, long_poll=True).request("GET", "/x", gone=gone)

    assert answer.json == {}


async def test_a_handler_may_wait_for_its_client_to_go() -> None:
    gone = asyncio.Event()

    async def handler(request: Request) -> Response:
        waiting = asyncio.create_task(request.disconnected())
        gone.set()
        await waiting
        return json_response("gone")

    answer = await client(handler).request("GET", "/x", gone=gone)

    assert answer.json == "gone"


@pytest.mark.parametrize("long_poll", [False, True])
async def test_who_cancels_a_request_is_obeyed(*, long_poll: bool) -> None:
    async def handler(_request: Request) -> Response:
        await asyncio.Event().wait()
        return empty_response()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await client(handler, long_poll=long_poll).get("/x")


async def test_a_guard_refuses_a_request_before_its_body_is_read() -> None:
    def guard(request: Request) -> None:
        if request.header("authorization") != "open sesame":
            raise Forbidden

    async def handler(request: Request) -> Response:
        return json_response(len(await request.body()))

    router = Router(guard=guard)
    router.post("/x", handler, long_poll=True)
    guarded = Client(application([router], settings=ApplicationSettings(max_body_bytes=5)))

    refused = await guarded.post("/x", body=b"too long")
    passed = await guarded.post("/x", body=b"four", headers={"authorization": "open sesame"})

    assert refused.status == 403
    assert passed.json == 4


async def test_requests_have_ids_of_their_own() -> None:
    async def handler(_request: Request) -> Response:
        return json_response(current_request_id())

    one = client(handler)
    identities = [(await one.get("/x")).json for _ in range(3)]

    assert len(set(identities)) == 3
    assert all(identities)


async def test_each_answer_is_observed() -> None:
    seen: list[tuple[str, str, int, str]] = []

    def observe(method: str, template: str, status: int, seconds: float, asked: str) -> None:
        assert seconds >= 0
        seen.append((method, template, status, asked))

    async def handler(_request: Request) -> Response:
        Fields({}).string("x")
        return empty_response()

    router = Router()
    router.get("/a/{x}", handler)
    observed = Client(application([router], observe=observe))
    await observed.get("/a/1")
    await observed.put("/a/1")
    await observed.get("/_matrix/client/v3/rooms/!secret:a.org/msc1234.name//%40alice%3Aa.org/123")
    await observed.get("/" + "/".join(["x"] * 9) + "/" + "y" * 50 + "/z" * 1000)

    assert seen == [
        ("GET", "/a/{x}", 400, ""),
        ("PUT", "", 405, "/a/{}"),
        ("GET", "", 404, "/_matrix/client/v3/rooms/{}/msc1234.name//{}/{}"),
        ("GET", "", 404, "/x/x/x/x/x/x/x/x/x/{}/z/z/{}"),
    ]
