"""What a handler is given: the path, query, headers and body of one request."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, TypeVar, overload
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from base.http.fields import Fields
from base.http.former_names import FORMER_PARAMETERS
from base.http.refusals import RequestTimeout
from matrix.canonical import decode_json
from matrix.errors import (
    BadJson,
    InvalidParam,
    MissingParam,
    MissingToken,
    NotJson,
    TooLarge,
)

T = TypeVar("T", bound=str)

_MAX_QUERY_FIELDS: Final = 200
_MAX_DIGITS: Final = 19
_DISCARDED_BYTES: Final = 16 << 20
_DISCARD_S: Final = 5.0


class ClientDisconnected(Exception):
    """The client has gone: nobody waits for the answer."""


class Request:
    """One HTTP request, read as far as the handler asks."""

    __slots__ = (
        "_body",
        "_headers",
        "_query",
        "_receive",
        "body_timeout_s",
        "has_more_body",
        "max_body_bytes",
        "path",
        "scope",
        "template",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        path: dict[str, str],
        *,
        template: str = "",
        max_body_bytes: int = 1 << 20,
        body_timeout_s: float = 60.0,
    ) -> None:
        self.scope = scope
        self.path: Final = path
        """The parameters of the path template, percent-decoded."""
        self.template: Final = template
        self.max_body_bytes = max_body_bytes
        self.body_timeout_s = body_timeout_s
        self._receive = receive
        self._body: bytes | None = None
        self.has_more_body = True
        """Whether some of the body has not been received, as far as is known."""
        self._headers: dict[bytes, bytes] | None = None
        self._query: dict[str, str] | None = None

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        method: str = self.scope["method"]
        return method

    @property
    def uri(self) -> str:
        """Path and query as they came, percent-encoded: what X-Matrix signs."""
        uri: bytes = self.scope["raw_path"]
        query: bytes = self.scope["query_string"]
        return (uri + b"?" + query if query else uri).decode("latin-1")

    @property
    def client_address(self) -> str:
        """The client's IP address, as trusted proxies report it; empty if it is not known."""
        client = self.scope.get("client")
        return client[0] if client else ""

    def header(self, name: str) -> str | None:
        """Return the first header of this name, given in lower case."""
        if self._headers is None:
            self._headers = dict(reversed(self.scope["headers"]))
        value = self._headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def headers(self, name: str) -> list[str]:
        """Return all headers of this name, given in lower case, in their order."""
        wanted = name.encode()
        return [
            value.decode("latin-1") for found, value in self.scope["headers"] if found == wanted
        ]

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of a repeated one the first."""
        if self._query is None:
            self._query = self._parsed_query()
        return self._query

    def _parsed_query(self) -> dict[str, str]:
        text = self.scope["query_string"]
        if not text:
            return {}
        try:
            pairs = parse_qsl(
                text.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MAX_QUERY_FIELDS,
            )
        except ValueError as error:
            raise InvalidParam("The query is not UTF-8, or has too many parameters.") from error
        return {FORMER_PARAMETERS.get(name, name): value for name, value in reversed(pairs)}

    def query_required(self, name: str) -> str:
        """Return a query parameter, or raise `MissingParam`."""
        value = self.query.get(name)
        if value is None:
            raise MissingParam(f"The query parameter {name} is missing.")
        return value

    @overload
    def query_str(self, name: str) -> str | None: ...
    @overload
    def query_str(self, name: str, default: str) -> str: ...
    def query_str(self, name: str, default: str | None = None) -> str | None:
        """Return a query parameter, or the default."""
        return self.query.get(name, default)

    @overload
    def query_int(
        self, name: str, *, minimum: int = ..., maximum: int | None = ...
    ) -> int | None: ...
    @overload
    def query_int(
        self, name: str, default: int, *, minimum: int = ..., maximum: int | None = ...
    ) -> int: ...
    def query_int(
        self,
        name: str,
        default: int | None = None,
        *,
        minimum: int = 0,
        maximum: int | None = None,
    ) -> int | None:
        """Return a query parameter as an integer, or the default.

        One over the maximum gives the maximum, as limits are meant; raises `InvalidParam` for one
        under the minimum and for what is no integer.
        """
        text = self.query.get(name)
        if text is None:
            return default
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
            raise InvalidParam(f"The query parameter {name} is not an integer.")
        number = int(text)
        if number < minimum:
            raise InvalidParam(f"The query parameter {name} is less than {minimum}.")
        return number if maximum is None else min(number, maximum)

    def query_bool(self, name: str, default: bool = False) -> bool:  # noqa: FBT001, FBT002 (a default)
        """Return a query parameter as a boolean, or the default."""
        text = self.query.get(name)
        if text is None:
            return default
        if text not in ("true", "false"):
            raise InvalidParam(f"The query parameter {name} is neither true nor false.")
        return text == "true"

    @overload
    def query_choice(self, name: str, choices: Sequence[T]) -> T | None: ...
    @overload
    def query_choice(self, name: str, choices: Sequence[T], default: T) -> T: ...
    def query_choice(self, name: str, choices: Sequence[T], default: T | None = None) -> T | None:
        """Return a query parameter that is one of these, or the default."""
        text = self.query.get(name)
        if text is None:
            return default
        for choice in choices:
            if choice == text:
                return choice
        raise InvalidParam(f"The query parameter {name} is none of {', '.join(choices)}.")

    @property
    def bearer_token(self) -> str | None:
        """The bearer token of the Authorization header."""
        authorization = self.header("authorization")
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    @property
    def optional_access_token(self) -> str | None:
        """The bearer token, from the Authorization header or else the query."""
        token = self.bearer_token
        if token is not None:
            return token
        if b"access_token" in self.scope["query_string"]:
            return self.query.get("access_token") or None
        return None

    @property
    def access_token(self) -> str:
        """The bearer token. Raises `MissingToken`."""
        token = self.optional_access_token
        if token is None:
            raise MissingToken
        return token

    def _check_length(self) -> None:
        length = self.header("content-length")
        # A client that waits for "100 Continue" hears of the refusal before it sends anything.
        if length is not None and length.isdigit() and int(length) > self.max_body_bytes:
            raise TooLarge

    async def body(self) -> bytes:
        """Return the whole body. Raises `TooLarge` as soon as it is over the route's limit."""
        if self._body is None:
            self._check_length()
            try:
                async with asyncio.timeout(self.body_timeout_s):
                    self._body = await self._whole_body()
            except TimeoutError as error:
                raise RequestTimeout from error
        return self._body

    async def _whole_body(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while self.has_more_body:
            chunk = await self._next_chunk()
            size += len(chunk)
            if size > self.max_body_bytes:
                raise TooLarge
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _next_chunk(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.has_more_body = False
            raise ClientDisconnected
        self.has_more_body = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk

    async def body_pieces(self, *, within_s: float) -> AsyncGenerator[bytes]:
        """Yield the body as it comes; nothing of it is kept.

        Raises `TooLarge` as soon as it is over the route's limit, `RequestTimeout` when nothing
        comes for as long as another body may take, or all takes longer than `within_s`, and
        `ClientDisconnected` where it breaks off.
        """
        self._check_length()
        ends_at = asyncio.get_running_loop().time() + within_s
        size = 0
        while self.has_more_body:
            piece = await self._piece_before(ends_at)
            size += len(piece)
            if size > self.max_body_bytes:
                raise TooLarge
            yield piece

    async def _piece_before(self, ends_at: float) -> bytes:
        now = asyncio.get_running_loop().time()
        soon = now + self.body_timeout_s
        if now >= ends_at:
            # What is there already is given without waiting, which no timeout would notice.
            raise RequestTimeout
        try:
            async with asyncio.timeout_at(min(soon, ends_at)):
                return await self._next_chunk()
        except TimeoutError as error:
            raise RequestTimeout from error

    async def discard_rest(self) -> None:
        """Receive and drop what is left of the body, within bounds of size and time.

        To close a connection while data comes in resets it: a client that is still sending would
        never read the answer. One that asks before it sends has not begun.
        """
        if self.header("expect") is not None:
            return
        left = _DISCARDED_BYTES
        with contextlib.suppress(TimeoutError, ClientDisconnected):
            async with asyncio.timeout(_DISCARD_S):
                while self.has_more_body and left > 0:
                    left -= len(await self._next_chunk())

    async def json(self) -> Any:
        """Return the body's JSON value. Raises `NotJson`."""
        return decode_json(await self.body())

    async def json_object(self, *, allow_empty: bool = False) -> dict[str, Any]:
        """Return the body's JSON object; with `allow_empty` no body is `{}`.

        Raises `NotJson` for what is no JSON, `BadJson` for what is no object.
        """
        body = await self.body()
        if not body:
            if allow_empty:
                return {}
            raise NotJson("The request has no body.")
        value: Any = decode_json(body)
        if type(value) is not dict:
            raise BadJson("The body is not a JSON object.")
        return value

    async def fields(self, *, allow_empty: bool = False) -> Fields:
        """Return the fields of the body's JSON object."""
        return Fields(await self.json_object(allow_empty=allow_empty))

    async def disconnected(self) -> None:
        """Return when the client has gone. Reads the body first if nobody has."""
        try:
            await self.body()
        except ClientDisconnected:
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def gone(self) -> None:
        """Return when the client has gone; what it sends meanwhile is dropped."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
