"""Routes of FastAPI behind the index: who may call them, and how they refuse."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel

from base.http import ApplicationSettings, Request, Response, Router, application, empty_response
from base.http.fastapi_routes import fastapi_routes
from base.http.testing import Client
from matrix.errors import NotFound

SECRET = "only operators know it"
ALLOWED = {"Authorization": f"Bearer {SECRET}"}


class Tea(BaseModel):
    """A cup of tea."""

    sort: str


class Outage(Exception):
    """The kettle is away."""


def teas() -> APIRouter:
    router = APIRouter(prefix="/_tea/v1")

    @router.get("/teas/{name:path}")
    async def show(name: str, cups: Annotated[int, Query(ge=1)] = 1) -> dict[str, Any]:
        """Show a tea."""
        if name == "none":
            raise NotFound("There is no such tea.")
        if name == "boiling":
            raise Outage
        if name == "broken":
            raise RuntimeError("the pot")
        return {"name": name, "cups": cups}

    @router.post("/teas")
    async def brew(tea: Tea) -> Tea:
        """Brew a tea."""
        return tea

    return router


@pytest.fixture
def seen() -> list[tuple[str, str, int, str]]:
    """What is observed of answers: method, template, status and what was asked for in vain."""
    return []


@pytest.fixture
def client(seen: list[tuple[str, str, int, str]]) -> Client:
    async def indexed(_request: Request) -> Response:
        return empty_response()

    router = Router()
    router.get("/_tea/v1/indexed", indexed)
    ordinary = fastapi_routes(
        [teas()], title="Teas", version="v1", root="/_tea", secret=SECRET, outages=(Outage,)
    )
    return Client(
        application(
            [router],
            ordinary=ordinary,
            settings=ApplicationSettings(max_body_bytes=1000, cors=False),
            observe=lambda method, template, status, _s, asked: seen.append(
                (method, template, status, asked)
            ),
        )
    )


async def test_who_knows_the_secret_is_answered(client: Client) -> None:
    shown = await client.get("/_tea/v1/teas/@a/b?cups=2", headers=ALLOWED)
    brewed = await client.post("/_tea/v1/teas", {"sort": "green"}, headers=ALLOWED)

    assert (shown.status, shown.json) == (200, {"name": "@a/b", "cups": 2})
    assert (brewed.status, brewed.json) == (200, {"sort": "green"})
    assert shown.headers["x-request-id"] != brewed.headers["x-request-id"]


@pytest.mark.parametrize(
    ("headers", "errcode"),
    [
        ({}, "M_MISSING_TOKEN"),
        ({"Authorization": "Basic b25s"}, "M_MISSING_TOKEN"),
        ({"Authorization": "Bearer "}, "M_MISSING_TOKEN"),
        ({"Authorization": "Bearer only operators"}, "M_UNKNOWN_TOKEN"),
    ],
)
@pytest.mark.parametrize("path", ["teas/green", "teas", "nothing", "docs/", "openapi.json/x"])
async def test_who_does_not_is_refused_whatever_is_asked(
    client: Client, path: str, headers: dict[str, str], errcode: str
) -> None:
    refused = await client.post(f"/_tea/v1/{path}", {"sort": 1}, headers=headers)

    assert (refused.status, refused.json["errcode"]) == (401, errcode)


@pytest.mark.parametrize(
    ("target", "status", "errcode"),
    [
        ("teas/none", 404, "M_NOT_FOUND"),
        ("nothing", 404, "M_UNRECOGNIZED"),
        ("teas", 405, "M_UNRECOGNIZED"),
        ("teas/green?cups=0", 400, "M_INVALID_PARAM"),
        ("teas/boiling", 503, "M_UNKNOWN"),
    ],
)
async def test_every_refusal_has_one_form(
    client: Client, target: str, status: int, errcode: str
) -> None:
    refused = await client.get(f"/_tea/v1/{target}", headers=ALLOWED)

    assert (refused.status, refused.json["errcode"]) == (status, errcode)
    assert refused.json.keys() == {"errcode", "error"}


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        (b"{", 400, "M_NOT_JSON"),
        (b"{}", 400, "M_MISSING_PARAM"),
        (b"", 400, "M_MISSING_PARAM"),
        (b'{"sort": {"secret": 1}}', 400, "M_INVALID_PARAM"),
        (b'{"sort": "' + b"x" * 1000 + b'"}', 413, "M_TOO_LARGE"),
    ],
)
async def test_a_wrong_body_is_refused_and_never_repeated(
    client: Client, body: bytes, status: int, errcode: str
) -> None:
    refused = await client.post("/_tea/v1/teas", body=body, headers=ALLOWED)

    assert (refused.status, refused.json["errcode"]) == (status, errcode)
    assert "secret" not in refused.json["error"]


async def test_a_bug_is_answered_in_the_same_form_and_told_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    failed = await client.get("/_tea/v1/teas/broken", headers=ALLOWED)

    assert (failed.status, failed.json["errcode"]) == (500, "M_UNKNOWN")
    assert "the pot" not in failed.json["error"]
    assert [one.getMessage() for one in caplog.records] == ["A request failed"]


async def test_the_index_comes_first_and_other_paths_are_none_of_theirs(client: Client) -> None:
    assert (await client.get("/_tea/v1/indexed")).status == 200
    assert (await client.get("/_coffee/v1/teas")).json["errcode"] == "M_UNRECOGNIZED"


async def test_answers_are_observed_by_their_template(
    client: Client, seen: list[tuple[str, str, int, str]]
) -> None:
    await client.get("/_tea/v1/teas/green", headers=ALLOWED)
    await client.get("/_tea/v1/teas/none", headers=ALLOWED)
    await client.get("/_tea/v1/nothing/else", headers=ALLOWED)
    await client.get("/_tea/v1/teas/green")

    assert seen == [
        ("GET", "/_tea/v1/teas/{name}", 200, ""),
        ("GET", "/_tea/v1/teas/{name}", 404, ""),
        ("GET", "", 404, "/_tea/v1/nothing/else"),
        ("GET", "", 401, "/_tea/v1/teas/green"),
    ]


async def test_the_description_and_its_page_are_open_and_load_nothing_from_elsewhere(
    client: Client,
) -> None:
    described = await client.get("/_tea/openapi.json")
    page = await client.get("/_tea/docs")

    document = described.json
    assert set(document["paths"]) == {"/_tea/v1/teas/{name}", "/_tea/v1/teas"}
    assert document["security"] == [{"token": []}]
    responses = document["paths"]["/_tea/v1/teas"]["post"]["responses"]
    assert set(responses) == {"200", "default"}
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "POST /_tea/v1/teas" in text
    assert "A cup of tea." in text
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in text
