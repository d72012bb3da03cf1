"""Routes of FastAPI under one path, behind the index: guarded, their bodies bounded."""

import hmac
import logging
from collections.abc import Collection, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from base.http.request import Request
from base.http.request_id import request_id
from base.http.response import Header
from matrix.errors import MissingToken, UnknownToken

_log: Final = logging.getLogger(__name__)


class OrdinaryRoutes:
    """An ASGI application whose callers know a secret, for what is not asked often.

    `base.http.fastapi_routes` makes one of FastAPI routers; this module loads nothing of it.
    """

    def __init__(
        self, behind: ASGIApp, *, root: str, secret: str, open_paths: Collection[str]
    ) -> None:
        """Take the application, the path under which it is, and those paths that are open."""
        self._behind = behind
        self._prefix = f"{root}/"
        self._expected = secret.encode()
        self._open_paths = frozenset(open_paths)

    def answers(self, path: str) -> bool:
        """Tell whether a path is one of these routes, or would be one."""
        return path.startswith(self._prefix)

    async def answer(self, request: Request, send: Send) -> tuple[int, str]:
        """Answer a request; return the status and the path template, empty if there is none.

        Raises before anything is sent: `MissingToken` and `UnknownToken`, and what
        `Request.body` raises.
        """
        self._check_secret(request)
        body = await request.body()
        scope = {**request.scope, "headers": _as_json(request.scope["headers"])}
        started: list[int] = []

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message["status"])
                identity = (b"x-request-id", request_id.get().encode())
                message = {**message, "headers": [*message.get("headers", ()), identity]}
            await send(message)

        try:
            await self._behind(scope, _replayed(body, request), send_on)
        except Exception as error:
            if not started:
                raise
            # The answer is out already, with the status of an internal error.
            _log.error("A request failed", exc_info=error, extra={"route": _template(scope)})
        return started[0], _template(scope)

    def _check_secret(self, request: Request) -> None:
        if request.scope["path"] in self._open_paths:
            return
        given = request.bearer_token
        if given is None:
            raise MissingToken("The request carries no token of operators.")
        if not hmac.compare_digest(given.encode("latin-1"), self._expected):
            _log.warning("A wrong token of operators", extra={"address": request.client_address})
            raise UnknownToken("This is not the token of operators.")


def _template(scope: Scope) -> str:
    """Return the path template of the route that answers; empty if none does."""
    template: str = getattr(scope.get("route"), "path_format", "")
    return template


def _as_json(headers: Iterable[Header]) -> list[Header]:
    """Return the headers of a body that is JSON, whatever its sender has called it.

    `curl -d` calls it a form. The Matrix API does not ask for the type either.
    """
    return [
        *(one for one in headers if one[0] != b"content-type"),
        (b"content-type", b"application/json"),
    ]


def _replayed(body: bytes, request: Request) -> Receive:
    """Return a `receive` that gives the body that was read, and then says when the client goes."""
    is_given = False

    async def receive() -> Message:
        nonlocal is_given
        if not is_given:
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}
        await request.disconnected()
        return {"type": "http.disconnect"}

    return receive
