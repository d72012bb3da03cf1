"""The one place that answers requests: routes them, and chooses the status of each error."""

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Final, TypeAlias

from starlette.types import Receive, Scope, Send

from base.http.ordinary import OrdinaryRoutes
from base.http.path_shape import shape_of
from base.http.request import ClientDisconnected, Request
from base.http.request_id import request_id
from base.http.response import (
    CORS,
    Header,
    Response,
    StreamingResponse,
    error_response,
    failed_response,
    outage_response,
)
from base.http.router import Route, RouteIndex, Router
from base.tracing import continued_request_id
from matrix.errors import MatrixError, MethodNotAllowed, TooLarge, Unavailable

_log: Final = logging.getLogger(__name__)

Observer: TypeAlias = Callable[[str, str, int, float, str], None]
"""Told of each answer: method, path template, status, seconds, and where there is no template the
shape of the path that was asked for; in the request's own context."""

_CLOSE: Final[tuple[Header, ...]] = ((b"connection", b"close"),)
_NO_CONTENT: Final = 204
_WATCH_AFTER_S: Final = 0.02
"""A handler that is done by then never pays for watching its client."""


@dataclass(frozen=True, slots=True)
class ApplicationSettings:
    """How the requests of one listener are answered."""

    max_body_bytes: int = 1 << 20
    """The longest body, in bytes, of routes that don't say otherwise."""
    body_timeout_s: float = 60.0
    """How long a body may take to arrive."""
    cors: bool = True
    """Whether web pages of any origin may read the answers."""
    continue_traces: bool = False
    """Whether requests with a `traceparent` header go on with its trace."""


def application(
    routers: Iterable[Router],
    *,
    settings: ApplicationSettings | None = None,
    outages: tuple[type[Exception], ...] = (),
    observe: Observer | None = None,
    ordinary: OrdinaryRoutes | None = None,
) -> "Application":
    """Return the ASGI application of these routers, and of `ordinary` routes behind them.

    `outages` are the exceptions that say that a dependency is away: the client hears 503 and
    tries again. Raises `RouteConflict` if two routes answer the same.
    """
    return Application(
        RouteIndex(routers), settings or ApplicationSettings(), outages, observe, ordinary
    )


class Application:
    """An ASGI application whose Matrix routes are found by an index, ahead of ordinary ones."""

    def __init__(
        self,
        index: RouteIndex,
        settings: ApplicationSettings,
        outages: tuple[type[Exception], ...],
        observe: Observer | None,
        ordinary: OrdinaryRoutes | None,
    ) -> None:
        self._index = index
        self._ordinary = ordinary
        self._settings = settings
        self._outages = outages
        self._observe = observe
        self._cors = CORS if settings.cors else ()
        self._request_prefix = secrets.token_hex(4)
        self._request_numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = perf_counter()
        method: str = scope["method"]
        request_id.set(self._identity(scope))
        template = asked = ""
        request: Request | None = None
        try:
            raw_path: bytes = scope["raw_path"]
            route, path = self._index.find(
                "GET" if method == "HEAD" else method, raw_path.decode("latin-1")
            )
        except MatrixError as error:
            if self._ordinary is not None and self._ordinary.answers(scope["path"]):
                await self._answer_ordinary(self._ordinary, scope, receive, send)
                return
            asked = shape_of(raw_path.decode("latin-1"))
            response: Response | StreamingResponse | None = self._refusal(method, error)
        else:
            template = route.template
            request = Request(
                scope,
                receive,
                path,
                template=template,
                max_body_bytes=route.max_body_bytes or self._settings.max_body_bytes,
                body_timeout_s=self._settings.body_timeout_s,
            )
            try:
                response = await self._handle(route, request)
            except asyncio.CancelledError:
                # A server that stops cancels requests, once they have had their time.
                restarting = outage_response(Unavailable("Restarting."))
                await self._send(None, restarting, send)
                raise
        if response is None:
            return
        await self._send(request, response, send)
        if self._observe is not None:
            self._observe(method, template, response.status, perf_counter() - started, asked)

    async def _answer_ordinary(
        self, ordinary: OrdinaryRoutes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer what no route of the index does."""
        started = perf_counter()
        request = Request(
            scope,
            receive,
            {},
            max_body_bytes=self._settings.max_body_bytes,
            body_timeout_s=self._settings.body_timeout_s,
        )
        try:
            status, template = await ordinary.answer(request, send)
        except ClientDisconnected:
            return
        except Exception as error:  # noqa: BLE001 (the top, as in `_handle`)
            refused = self._failure("", request, error)
            status, template = refused.status, ""
            await self._send(request, refused, send)
        if self._observe is not None:
            asked = "" if template else shape_of(scope["raw_path"].decode("latin-1"))
            self._observe(scope["method"], template, status, perf_counter() - started, asked)

    def _identity(self, scope: Scope) -> str:
        """Return the ID of a request that comes in."""
        number = next(self._request_numbers)
        identity: str = scope.get("request_id") or f"{self._request_prefix}{number:x}"
        if self._settings.continue_traces:
            for name, value in scope["headers"]:
                if name == b"traceparent":
                    return continued_request_id(value, number) or identity
        return identity

    @staticmethod
    def _refusal(method: str, error: MatrixError) -> Response:
        """Answer where no route does. Preflights are answered for every path."""
        if method == "OPTIONS":
            return Response(status=_NO_CONTENT)
        if isinstance(error, MethodNotAllowed):
            return error_response(error, ((b"allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),))
        return error_response(error)

    async def _handle(self, route: Route, request: Request) -> Response | StreamingResponse | None:
        """Return the handler's answer or its error's; `None` if nobody waits for it."""
        watch = None
        try:
            if route.guard is not None:
                route.guard(request)
            if route.long_poll:
                await request.body()
                watch = _ClientWatch(request)
            return await route.handler(request)
        except ClientDisconnected:
            return None
        except asyncio.CancelledError:
            if watch is None or not watch.cancelled_only_here():
                raise
            return None
        except Exception as error:  # noqa: BLE001 (the top: each error becomes an answer here)
            return self._failure(route.template, request, error)
        finally:
            if watch is not None:
                watch.stop()

    def _failure(self, template: str, request: Request, error: Exception) -> Response:
        if isinstance(error, MatrixError):
            # The rest of a body that is too large may have no end.
            is_cut_short = isinstance(error, TooLarge) and request.has_more_body
            return error_response(error, _CLOSE if is_cut_short else ())
        if isinstance(error, self._outages):
            _log.debug("A dependency is away: %s", error, extra={"route": template})
            return outage_response()
        _log.error("A request failed", exc_info=error, extra={"route": template})
        return failed_response()

    async def _send(
        self, request: Request | None, response: Response | StreamingResponse, send: Send
    ) -> None:
        """Send a response. One that ends the connection waits for a body that is still coming."""
        headers: list[Header] = [
            *self._cors,
            (b"x-request-id", request_id.get().encode()),
            *response.headers,
        ]
        if response.content_type:
            headers.append((b"content-type", response.content_type))
        length = len(response.body) if isinstance(response, Response) else response.length
        if length is not None and response.status != _NO_CONTENT:
            headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if isinstance(response, Response):
            if request is not None and response.headers == _CLOSE:
                await send({"type": "http.response.body", "body": response.body, "more_body": True})
                await request.discard_rest()
                await send({"type": "http.response.body", "body": b""})
                return
            await send({"type": "http.response.body", "body": response.body})
            return
        await self._stream(request, response, send)

    @staticmethod
    async def _stream(request: Request | None, response: StreamingResponse, send: Send) -> None:
        """Send the pieces, as long as somebody takes them; HEAD is sent none."""
        wants_pieces = request is None or request.method != "HEAD"
        gone = None
        try:
            async with contextlib.aclosing(response.chunks) as chunks:
                if wants_pieces and request is not None:
                    gone = asyncio.create_task(request.gone())
                while wants_pieces and (gone is None or not gone.done()):
                    chunk = await anext(chunks, None)
                    if chunk is None:
                        break
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Exception:  # noqa: BLE001 (as above)
            # The status is out: all that is left is to cut the connection, by not finishing.
            _log.exception("A response broke off")
            return
        finally:
            if gone is not None:
                gone.cancel()
        await send({"type": "http.response.body", "body": b""})


class _ClientWatch:
    """Cancels the running handler when its client has gone."""

    __slots__ = ("_client_has_gone", "_request", "_task", "_timer", "_watching")

    def __init__(self, request: Request) -> None:
        self._client_has_gone = False
        self._request = request
        self._task = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, self._start)

    def _start(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        await self._request.disconnected()
        self._client_has_gone = True
        if self._task is not None:
            self._task.cancel()

    def cancelled_only_here(self) -> bool:
        """Whether the handler was cancelled because its client has gone, and by nobody else."""
        return self._client_has_gone and self._task is not None and self._task.uncancel() == 0

    def stop(self) -> None:
        """Leave the handler's task alone from now on."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
