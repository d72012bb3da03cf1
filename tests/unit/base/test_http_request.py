"""What a handler reads from a request, and how it hears of bad input."""

from typing import Any

import pytest

from base.http import ApplicationSettings, Request, Response, Router, application, json_response
from base.http.router import Handler
from base.http.testing import Answer, Client


def client(handler: Handler, token: str | None = None, **settings: Any) -> Client:
    router = Router()
    for method in ("GET", "POST"):
        router.add(method, "/x", handler)
    return Client(application([router], settings=ApplicationSettings(**settings)), token)


def refusal(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.errcode


async def paging(request: Request) -> Response:
    return json_response(
        {
            "limit": request.query_int("limit", 10, minimum=1, maximum=100),
            "since": request.query_str("since"),
            "full": request.query_bool("full"),
            "dir": request.query_choice("dir", ["b", "f"], "b"),
        }
    )


async def test_query_parameters_have_defaults() -> None:
    answer = await client(paging).get("/x")

    assert answer.json == {"limit": 10, "since": None, "full": False, "dir": "b"}


async def test_query_parameters_are_decoded_and_typed() -> None:
    answer = await client(paging).get("/x?limit=20&since=a+b%2Bc&full=true&dir=f&since=second")

    assert answer.json == {"limit": 20, "since": "a b+c", "full": True, "dir": "f"}


async def test_a_limit_over_the_maximum_is_the_maximum() -> None:
    assert (await client(paging).get("/x?limit=100000")).json["limit"] == 100


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-5",
        "limit=1.5",
        "limit=",
        "limit=%D9%A3",
        "limit=" + "9" * 5000,
        "limit=--1",
        "full=yes",
        "dir=x",
        "since=%ff",
        "&".join(f"p{number}=" for number in range(1000)),
    ],
)
async def test_an_invalid_query_parameter_is_refused(query: str) -> None:
    assert refusal(await client(paging).get(f"/x?{query}")) == (400, "M_INVALID_PARAM")


async def test_a_required_query_parameter_is_missed() -> None:
    async def handler(request: Request) -> Response:
        return json_response(request.query_required("from"))

    assert refusal(await client(handler).get("/x")) == (400, "M_MISSING_PARAM")
    assert (await client(handler).get("/x?from=t1")).json == "t1"


async def whose(request: Request) -> Response:
    return json_response(request.access_token)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_the_access_token_comes_from_the_header(scheme: str) -> None:
    answer = await client(whose).get("/x", headers={"Authorization": f"{scheme} secret"})

    assert answer.json == "secret"


async def test_the_access_token_may_come_from_the_query() -> None:
    assert (await client(whose).get("/x?access_token=secret")).json == "secret"


async def test_the_header_goes_before_the_query() -> None:
    assert (await client(whose, "header").get("/x?access_token=query")).json == "header"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic abc", "secret"])
async def test_a_request_without_token_is_refused(header: str) -> None:
    answer = await client(whose).get("/x?access_token=", headers={"Authorization": header})

    assert refusal(answer) == (401, "M_MISSING_TOKEN")


async def parse(request: Request) -> Response:
    return json_response(await request.json_object())


async def parse_or_empty(request: Request) -> Response:
    return json_response(await request.json_object(allow_empty=True))


async def test_a_body_is_a_json_object() -> None:
    assert (await client(parse).post("/x", {"a": [1]})).json == {"a": [1]}


async def test_a_body_may_come_in_pieces() -> None:
    assert (await client(parse).post("/x", body=[b'{"a"', b":", b"", b"1}"])).json == {"a": 1}


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"nonsense"])
async def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert refusal(await client(parse).post("/x", body=body)) == (400, "M_NOT_JSON")


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"1", b"null"])
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(await client(parse_or_empty).post("/x", body=body)) == (400, "M_BAD_JSON")


async def test_no_body_is_an_empty_object_only_where_that_is_allowed() -> None:
    assert refusal(await client(parse).post("/x")) == (400, "M_NOT_JSON")
    assert (await client(parse_or_empty).post("/x")).json == {}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"x" * 11, {}),
        ([b"x" * 6, b"x" * 6], {}),
        ([b"x" * 10, b"", b"x"], {"content-length": "5"}),
        (b"x", {"content-length": "11"}),
        (b"x" * 11, {"content-length": "nonsense"}),
    ],
)
async def test_a_body_over_the_limit_is_refused(
    body: bytes | list[bytes], headers: dict[str, str]
) -> None:
    async def length(request: Request) -> Response:
        return json_response(len(await request.body()))

    small = client(length, max_body_bytes=10)
    assert refusal(await small.post("/x", body=body, headers=headers)) == (413, "M_TOO_LARGE")
    assert (await small.post("/x", body=[b"x" * 5, b"x" * 5])).json == 10


async def test_a_route_may_take_larger_bodies_than_others() -> None:
    router = Router()
    router.post("/small", parse)
    router.post("/large", parse, max_body_bytes=100)
    tight = Client(application([router], settings=ApplicationSettings(max_body_bytes=10)))

    assert (await tight.post("/small", {"a": "x" * 50})).status == 413
    assert (await tight.post("/large", {"a": "x" * 50})).status == 200
    assert (await tight.post("/large", {"a": "x" * 100})).status == 413


async def test_the_first_of_repeated_headers_is_read() -> None:
    async def handler(request: Request) -> Response:
        return json_response([request.header("x-a"), request.header("x-b"), request.headers("x-a")])

    answer = await client(handler).get("/x", headers={"X-A": "1", "x-a": "2"})

    assert answer.json == ["1", None, ["1", "2"]]


async def test_the_client_address_and_uri_are_known() -> None:
    async def handler(request: Request) -> Response:
        return json_response([request.client_address, request.uri, request.method])

    assert (await client(handler).get("/x?a=%20")).json == ["192.0.2.1", "/x?a=%20", "GET"]
