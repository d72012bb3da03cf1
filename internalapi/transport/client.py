"""Calls an API in another process, as if it were here."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Final, TypeVar, cast

import aiohttp
from yarl import URL

from base.http import current_request_id
from internalapi.deadlines import DeadlineExceeded, remaining_s
from internalapi.transport.call_metrics import CallMetrics
from internalapi.transport.codec import Undecodable, encode
from internalapi.transport.errors import (
    ApiMismatch,
    ApiSecretRefused,
    ApiUnavailable,
    ErrorTypes,
    InternalError,
)
from internalapi.transport.replicas import Replicas
from internalapi.transport.shares import Shares
from internalapi.transport.signatures import Method, methods, path, protocol_class
from internalapi.transport.wire import (
    CONTENT_TYPE,
    DEADLINE_HEADER,
    ERROR_CONTENT_TYPE,
    REQUEST_ID_HEADER,
    SHARES_HEADER,
)

P = TypeVar("P")


class _NotReached(Exception):
    """The call was never sent."""


class _NotAnswered(Exception):
    """The call was sent, and no answer came."""


class _TooLate(Exception):
    """The time is over in which an answer is of use."""


_OK: Final = 200
_LARGE_BODY_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 60.0
_ATTEMPT_TIMEOUT_S: Final = 2.0
_SUSPICIOUS_PART: Final = 0.25
"""Of the time of an attempt: who gave no answer for so long before the caller gave up has failed,
as far as the next call is concerned."""
_CONNECT_TIMEOUT_S: Final = 2.0
_KEEP_ALIVE_S: Final = 30.0
"""Shorter than the server's, so that a connection is not closed while it is taken again."""


@asynccontextmanager
async def open_session(
    max_connections: int = 200,
    *,
    tls: ssl.SSLContext | None = None,
    connect_timeout_s: float = _CONNECT_TIMEOUT_S,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open the HTTP session that all API clients of a process share.

    Calls over `max_connections` at once wait for one that ends. `tls` says which certificates are
    believed behind `https` addresses; without it, those that the system believes.
    """
    connector = aiohttp.TCPConnector(
        limit=max_connections, keepalive_timeout=_KEEP_ALIVE_S, ssl=True if tls is None else tls
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
        skip_auto_headers=("user-agent", "accept", "accept-encoding"),
        auto_decompress=False,
    ) as session:
        yield session


def api_client(
    protocol: Callable[..., P],
    address: str | Replicas,
    *,
    secret: str,
    session: aiohttp.ClientSession,
    timeout_s: float = _TIMEOUT_S,
    attempt_timeout_s: float = _ATTEMPT_TIMEOUT_S,
    metrics: CallMetrics | None = None,
    shares: Shares | None = None,
) -> P:
    """Return an object with the Protocol's methods, each of which calls the process at a URL.

    Besides what the Protocol declares, a call raises `ApiUnavailable` or a subclass, and
    `InternalError` for a bug on the other side. Where the caller set no deadline, `timeout_s` is
    one. Several processes are called in turn. One that cannot be reached is passed over; a query
    whose connection broke, or that is not answered within `attempt_timeout_s`, is asked of the
    next one, or once more of the only one; a change never. One that has let a call wait is asked
    last for a while. `shares` learns who has what in memory: that one is asked first. `metrics`
    counts the calls. Raises `NotAnApi` if the Protocol has methods that cannot be carried.
    """
    definition = protocol_class(protocol)
    replicas = Replicas([address]) if isinstance(address, str) else address
    connection = _Connection(
        session,
        replicas,
        secret,
        ErrorTypes(definition),
        timeout_s=timeout_s,
        attempt_timeout_s=attempt_timeout_s,
        shares=shares,
    )
    calls = {}
    for name, method in methods(definition).items():
        call = _call(method, path(definition, name), connection)
        if metrics is not None:
            call = _counted(call, definition.__name__, name, metrics)
        calls[name] = staticmethod(call)
    return cast(P, type(f"{definition.__name__}Client", (), calls)())


def _call(
    method: Method, path_of_method: str, connection: "_Connection"
) -> Callable[..., Coroutine[Any, Any, Any]]:
    make_arguments, decode_result = method.arguments, method.decode_result
    urls = connection.urls(path_of_method)
    is_query = method.is_query

    async def call(**arguments: Any) -> Any:
        body = encode(make_arguments(**arguments))
        preferred = connection.holder(arguments) if is_query else None
        answer = await connection.post(urls, body, is_query=is_query, preferred=preferred)
        try:
            return decode_result(answer)
        except Undecodable as error:
            raise ApiMismatch(str(error)) from error

    call.__name__ = call.__qualname__ = method.name
    return call


def _counted(
    call: Callable[..., Coroutine[Any, Any, Any]], api: str, name: str, metrics: CallMetrics
) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def counted(**arguments: Any) -> Any:
        started = perf_counter()
        outcome = "failed"
        try:
            result = await call(**arguments)
            outcome = "ok"
        except (ApiUnavailable, DeadlineExceeded):
            outcome = "unavailable"
            raise
        except InternalError:
            raise
        except Exception:
            outcome = "refused"
            raise
        finally:
            metrics.observe(api, name, outcome, perf_counter() - started)
        return result

    counted.__name__ = counted.__qualname__ = name
    return counted


class _Connection:
    """Posts calls to one API and raises the errors that come back."""

    __slots__ = (
        "_attempt_timeout_s",
        "_authorization",
        "_errors",
        "_replicas",
        "_session",
        "_shares",
        "_timeout_s",
    )

    def __init__(
        self,
        session: aiohttp.ClientSession,
        replicas: Replicas,
        secret: str,
        errors: ErrorTypes,
        *,
        timeout_s: float,
        attempt_timeout_s: float,
        shares: Shares | None,
    ) -> None:
        self._session = session
        self._replicas = replicas
        self._authorization = f"Bearer {secret}"
        self._errors = errors
        self._timeout_s = timeout_s
        self._attempt_timeout_s = attempt_timeout_s
        self._shares = shares

    def urls(self, path_of_method: str) -> list[URL]:
        """Return where each replica serves a method."""
        return [URL(base + path_of_method) for base in self._replicas.base_urls]

    def holder(self, arguments: Mapping[str, Any]) -> int | None:
        """Return the replica that has what a call is about in memory, if that is known."""
        return None if self._shares is None else self._shares.holder(arguments)

    async def post(
        self, urls: list[URL], body: bytes, *, is_query: bool, preferred: int | None = None
    ) -> bytes:
        """Return the bytes of the result, or raise the error."""
        remaining = remaining_s()
        seconds = self._timeout_s if remaining is None else remaining
        until = asyncio.get_running_loop().time() + seconds
        order = self._replicas.order(is_query=is_query, preferred=preferred)
        if is_query and len(order) == 1:
            order *= 2
        while True:
            index = order.pop(0)
            may_give_up = is_query and len(order) > 0
            try:
                return await self._ask(index, until, urls[index], body, may_give_up=may_give_up)
            except _NotReached as failure:
                order = [other for other in order if other != index]
                if not order:
                    raise ApiUnavailable(str(failure)) from failure.__cause__
            except _NotAnswered as failure:
                if not is_query or not order:
                    raise ApiUnavailable(str(failure)) from failure.__cause__
            except _TooLate as late:
                raise DeadlineExceeded from late.__cause__

    async def _ask(
        self, index: int, until: float, url: URL, body: bytes, *, may_give_up: bool
    ) -> bytes:
        """Ask one replica, and note whether it is there."""
        asked_s = asyncio.get_running_loop().time()
        try:
            answer = await self._post_once(index, until, url, body, may_give_up=may_give_up)
        except (_NotReached, _NotAnswered):
            self._replicas.failed(index)
            raise
        except (_TooLate, asyncio.CancelledError):
            waited_s = asyncio.get_running_loop().time() - asked_s
            if waited_s >= self._attempt_timeout_s * _SUSPICIOUS_PART:
                self._replicas.failed(index)
            raise
        except ApiUnavailable:
            raise
        except Exception:
            # A refusal is an answer.
            self._replicas.answered(index)
            raise
        self._replicas.answered(index)
        return answer

    async def _post_once(
        self, index: int, until: float, url: URL, body: bytes, *, may_give_up: bool
    ) -> bytes:
        """Ask one replica; give up early where another one can be asked."""
        attempt_until = until
        if may_give_up and len(self._replicas.base_urls) > 1:
            now = asyncio.get_running_loop().time()
            attempt_until = min(until, now + self._attempt_timeout_s)
        timeout = asyncio.timeout_at(attempt_until)
        try:
            async with timeout:
                return await self._exchange(index, attempt_until, url, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _NotReached(f"{url} cannot be reached: {error}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise _NotAnswered(f"{url} broke off: {error}") from error
        except aiohttp.ClientError as error:
            raise ApiMismatch(f"{url} is not an internal API: {error}") from error
        except TimeoutError as error:
            if timeout.expired() and attempt_until == until:
                raise _TooLate from error
            raise _NotAnswered(f"{url} does not answer: {error}") from error

    async def _exchange(self, index: int, until: float, url: URL, body: bytes) -> bytes:
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
            if self._shares is not None:
                self._shares.note(index, answer.headers.get(SHARES_HEADER))
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
            return _NotAnswered(f"{url} answers {status}.")
        return ApiMismatch(f"{url} answers {status}.")
