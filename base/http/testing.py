"""Calls an application as a server would, in this process, for tests of components."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

import orjson
from starlette.types import ASGIApp, Message, Scope


class Answer:
    """What an application answered."""

    def __init__(
        self, status: int, headers: dict[str, str], body: bytes, *, complete: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.complete = complete
        """Whether the body was finished: a response that breaks off is not."""

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return orjson.loads(self.body)

    @property
    def errcode(self) -> str | None:
        """The Matrix error code, or `None` where there is none."""
        value = self.json
        return value.get("errcode") if isinstance(value, dict) else None

    def __repr__(self) -> str:
        return f"Answer({self.status}, {self.body[:300]!r})"


class Client:
    """A client of an application, with an access token if one is given."""

    def __init__(
        self, application: ASGIApp, access_token: str | None = None, address: str = "192.0.2.1"
    ) -> None:
        self._application = application
        self._access_token = access_token
        self._address = address

    def as_user(self, access_token: str) -> Self:
        """Return another client of the same application, with this token."""
        return type(self)(self._application, access_token, self._address)

    def at(self, address: str) -> Self:
        """Return another client of the same application, which sends from this address."""
        return type(self)(self._application, self._access_token, address)

    async def request(
        self,
        method: str,
        target: str,
        json: Any = None,
        *,
        body: bytes | Sequence[bytes] = b"",
        headers: dict[str, str] | None = None,
        gone: asyncio.Event | None = None,
    ) -> Answer:
        """Send a request and return its answer.

        `body` may come in pieces. When `gone` is set, the client has disconnected; it gets an
        answer of status 0 then, if none was sent before.
        """
        sent: list[bytes] = [body] if isinstance(body, bytes) else list(body)
        all_headers = dict(headers or {})
        if json is not None:
            sent = [orjson.dumps(json)]
            all_headers.setdefault("content-type", "application/json")
        if self._access_token is not None:
            all_headers.setdefault("authorization", f"Bearer {self._access_token}")
        exchange = _Exchange(sent, gone or asyncio.Event())
        await self._application(
            self._scope(method, target, all_headers), exchange.receive, exchange.send
        )
        return exchange.answer()

    def _scope(self, method: str, target: str, headers: dict[str, str]) -> Scope:
        path, _, query = target.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": (self._address, 50000),
            "server": ("127.0.0.1", 8008),
            "state": {},
        }

    async def get(self, target: str, **options: Any) -> Answer:
        """Send GET."""
        return await self.request("GET", target, **options)

    async def put(self, target: str, json: Any = None, **options: Any) -> Answer:
        """Send PUT."""
        return await self.request("PUT", target, json, **options)

    async def post(self, target: str, json: Any = None, **options: Any) -> Answer:
        """Send POST."""
        return await self.request("POST", target, json, **options)

    async def delete(self, target: str, json: Any = None, **options: Any) -> Answer:
        """Send DELETE."""
        return await self.request("DELETE", target, json, **options)


class _Exchange:
    """One request and what comes back."""

    def __init__(self, body: list[bytes], gone: asyncio.Event) -> None:
        self._body = body or [b""]
        self._gone = gone
        self._start: Message = {"status": 0}
        self._chunks: list[bytes] = []
        self._complete = False

    async def receive(self) -> Message:
        if self._body:
            chunk = self._body.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self._body)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._chunks.append(message.get("body", b""))
            self._complete = not message.get("more_body", False)

    def answer(self) -> Answer:
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in self._start.get("headers", ())
        }
        return Answer(
            self._start["status"], headers, b"".join(self._chunks), complete=self._complete
        )
