"""Calls an API in another process, as if it were here."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, cast

import aiohttp
from yarl import URL

from base.http import current_request_id
from internalapi.deadlines import DeadlineExceeded, remaining_s
from internalapi.transport.codec import Undecodable, encode
from internalapi.transport.errors import (
    ApiMismatch,
    ApiSecretRefused,
    ApiUnavailable,
    ErrorTypes,
    InternalError,
)
from internalapi.transport.signatures import Method, methods, path, protocol_class
from internalapi.transport.wire import (
    CONTENT_TYPE,
    DEADLINE_HEADER,
    ERROR_CONTENT_TYPE,
    REQUEST_ID_HEADER,
)

P = TypeVar("P")

_OK: Final = 200
_LARGE_BODY_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 60.0
_KEEP_ALIVE_S: Final = 30.0
"""Shorter than the server's, so that a connection is not closed while it is taken again."""


@asynccontextmanager
async def open_session(max_connections: int = 200) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the HTTP session that all API clients of a process share.

    Calls over `max_connections` at once wait for one that ends.
    """
    connector = aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=_KEEP_ALIVE_S)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("user-agent", "accept", "accept-encoding"),
        auto_decompress=False,
    ) as session:
        yield session


def api_client(
    protocol: Callable[..., P],
    base_url: str,
    *,
    secret: str,
    session: aiohttp.ClientSession,
    timeout_s: float = _TIMEOUT_S,
) -> P:
    """Return an object with the Protocol's methods, each of which calls the process at a URL.

    Besides what the Protocol declares, a call raises `ApiUnavailable` or a subclass, and
    `InternalError` for a bug on the other side. Where the caller set no deadline, `timeout_s` is
    one. A query whose connection broke is asked once more, a change never. Raises `NotAnApi` if
    the Protocol has methods that cannot be carried.
    """
    definition = protocol_class(protocol)
    base = base_url.rstrip("/")
    connection = _Connection(session, secret, ErrorTypes(definition), timeout_s)
    calls = {
        name: staticmethod(_call(method, URL(base + path(definition, name)), connection))
        for name, method in methods(definition).items()
    }
    return cast(P, type(f"{definition.__name__}Client", (), calls)())


def _call(
    method: Method, url: URL, connection: "_Connection"
) -> Callable[..., Coroutine[Any, Any, Any]]:
    make_arguments, decode_result = method.arguments, method.decode_result
    attempts = 2 if method.is_query else 1

    async def call(**arguments: Any) -> Any:
        answer = await connection.post(url, encode(make_arguments(**arguments)), attempts)
        try:
            return decode_result(answer)
        except Undecodable as error:
            raise ApiMismatch(str(error)) from error

    call.__name__ = call.__qualname__ = method.name
    return call


class _Connection:
    """Posts calls to one API and raises the errors that come back."""

    __slots__ = ("_authorization", "_errors", "_session", "_timeout_s")

    def __init__(
        self, session: aiohttp.ClientSession, secret: str, errors: ErrorTypes, timeout_s: float
    ) -> None:
        self._session = session
        self._authorization = f"Bearer {secret}"
        self._errors = errors
        self._timeout_s = timeout_s

    async def post(self, url: URL, body: bytes, attempts: int) -> bytes:
        """Return the bytes of the result, or raise the error."""
        remaining = remaining_s()
        seconds = self._timeout_s if remaining is None else remaining
        until = asyncio.get_running_loop().time() + seconds
        timeout = asyncio.timeout_at(until)
        try:
            async with timeout:
                return await self._post_until(until, url, body, attempts)
        except TimeoutError as error:
            if timeout.expired():
                raise DeadlineExceeded from error
            raise ApiUnavailable(f"{url} does not answer: {error}") from error

    async def _post_until(self, until: float, url: URL, body: bytes, attempts: int) -> bytes:
        while True:
            attempts -= 1
            try:
                return await self._post_once(until, url, body)
            except aiohttp.ClientConnectorError as error:
                raise ApiUnavailable(f"{url} cannot be reached: {error}") from error
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
                if attempts == 0:
                    raise ApiUnavailable(f"{url} broke off: {error}") from error
            except aiohttp.ClientError as error:
                raise ApiMismatch(f"{url} is not an internal API: {error}") from error

    async def _post_once(self, until: float, url: URL, body: bytes) -> bytes:
        seconds = until - asyncio.get_running_loop().time()
        headers = {
            "Authorization": self._authorization,
            "Content-Type": CONTENT_TYPE,
            DEADLINE_HEADER: f"{max(seconds, 0):.3f}",
            REQUEST_ID_HEADER: current_request_id(),
        }
        # aiohttp wants large bodies as files, which it sends in pieces.
        data = body if len(body) < _LARGE_BODY_BYTES else io.BytesIO(body)
        async with self._session.post(
            url, data=data, headers=headers, allow_redirects=False
        ) as answer:
            result = await answer.read()
            if answer.status == _OK:
                return result
            raise self._error(url, answer.status, answer.content_type, result)

    def _error(self, url: URL, status: int, content_type: str, data: bytes) -> Exception:
        if content_type == ERROR_CONTENT_TYPE:
            return self._errors.decode(data)
        # What the server answers before it has come to the API.
        if status == 401:  # noqa: PLR2004 (an HTTP status)
            return ApiSecretRefused(f"{url} refuses the shared secret.")
        if status == 500:  # noqa: PLR2004 (an HTTP status)
            return InternalError(f"{url} failed.")
        if status > 500:  # noqa: PLR2004 (an HTTP status)
            return ApiUnavailable(f"{url} answers {status}.")
        return ApiMismatch(f"{url} answers {status}.")
