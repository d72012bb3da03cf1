"""FastAPI as operators reach it: typed routes, errors in the one form, and a page that tells them.

Only processes that serve such routes import this: FastAPI and pydantic cost time and memory.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi import Request as FastAPIRequest
from fastapi import Response as FastAPIResponse
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from base.http.openapi_page import openapi_page
from base.http.ordinary import OrdinaryRoutes
from base.http.response import (
    Response,
    error_response,
    failed_response,
    json_response,
    outage_response,
)
from matrix.errors import (
    InvalidParam,
    MatrixError,
    MethodNotAllowed,
    MissingParam,
    NotJson,
    Unrecognized,
)

_PAGE_HEADERS: Final = {
    # The page has no scripts and loads nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class Refusal(BaseModel):
    """Why a request is refused."""

    errcode: str = Field(examples=["M_NOT_FOUND"])
    error: str


def fastapi_routes(
    routers: Sequence[APIRouter],
    *,
    title: str,
    version: str,
    root: str,
    secret: str,
    outages: tuple[type[Exception], ...] = (),
) -> OrdinaryRoutes:
    """Return these routers, for callers who send `secret` as a bearer token.

    All are under the path `root`, and say so themselves. `root/openapi.json` describes them, and
    `root/docs` is the same for people; both are open,
    because they hold nothing but what this code says. Every error is `{errcode, error}`.
    `outages` are the exceptions that say that a dependency is away.
    """
    app = FastAPI(
        title=title,
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Refusal, "description": "The request is refused."}},
    )
    _add_error_handlers(app, outages)
    for router in routers:
        app.include_router(router)
    document = _document(app)
    description, page = f"{root}/openapi.json", f"{root}/docs"
    answers = {
        description: json_response(document),
        page: Response(openapi_page(document, description), content_type=b"text/html"),
    }

    async def tell(request: FastAPIRequest) -> FastAPIResponse:
        answer = answers[request.url.path]
        return FastAPIResponse(
            answer.body, media_type=answer.content_type.decode(), headers=_PAGE_HEADERS
        )

    for path in answers:
        app.add_api_route(path, tell, include_in_schema=False)
    return OrdinaryRoutes(app, root=root, secret=secret, open_paths=answers)


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, which says that every route wants the token."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer"}
    document["security"] = [{"token": []}]
    return document


def _add_error_handlers(app: FastAPI, outages: Iterable[type[Exception]]) -> None:
    async def refuse(_request: Any, error: Exception) -> FastAPIResponse:
        return _answer(error_response(_refusal(error)))

    async def wait(_request: Any, _outage: Exception) -> FastAPIResponse:
        return _answer(outage_response())

    async def fail(_request: Any, _error: Exception) -> FastAPIResponse:
        return _answer(failed_response())

    for kind in (MatrixError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, refuse)
    for outage in outages:
        app.add_exception_handler(outage, wait)
    app.add_exception_handler(Exception, fail)


def _answer(answer: Response) -> FastAPIResponse:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    media_type = answer.content_type.decode()
    return FastAPIResponse(answer.body, answer.status, headers, media_type=media_type)


def _refusal(error: Exception) -> MatrixError:
    """Return the refusal that an error is."""
    match error:
        case MatrixError():
            return error
        case RequestValidationError():
            return _refusal_of_fields(error)
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return Unrecognized()
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            return MethodNotAllowed()
        case _:
            return NotJson()


def _refusal_of_fields(error: RequestValidationError) -> MatrixError:
    """Return what the first of the wrong fields is told; never what was sent in it."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return NotJson()
    kind = MissingParam if first["type"] == "missing" else InvalidParam
    return kind(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.")
