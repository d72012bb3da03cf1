"""Serves an implementation of an API to other processes."""

import hmac
import logging
import math
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from base.http import Guard, Handler, Request, Response, Router, request_id
from internalapi.deadlines import deadline
from internalapi.transport.codec import Undecodable, encode
from internalapi.transport.errors import (
    ApiMismatch,
    ApiSecretRefused,
    ApiUnavailable,
    ErrorTypes,
    InternalError,
    status_of,
)
from internalapi.transport.shares import tell
from internalapi.transport.signatures import Method, methods, path, protocol_class
from internalapi.transport.wire import (
    CONTENT_TYPE,
    DEADLINE_HEADER,
    ERROR_CONTENT_TYPE,
    MAX_BODY_BYTES,
    REQUEST_ID_HEADER,
    SHARES_HEADER,
)

P = TypeVar("P")

_log: Final = logging.getLogger(__name__)
_MAX_REQUEST_ID: Final = 64
_SHARES: Final = SHARES_HEADER.encode()


def api_router(
    protocol: Callable[..., P],
    implementation: P,
    *,
    secret: str,
    outages: tuple[type[Exception], ...] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    shares: Callable[[], Iterable[int]] | None = None,
) -> Router:
    """Return the routes at which other processes call this implementation.

    `outages` are the exceptions that say that a dependency is away: callers get
    `ApiUnavailable`. `shares` says what this process has in memory, for callers who prefer the one
    that has it. Raises `NotAnApi` if the Protocol has methods that cannot be carried.
    """
    definition = protocol_class(protocol)
    errors = ErrorTypes(definition)
    router = Router(guard=_guard(secret))
    for method in methods(definition).values():
        router.post(
            path(definition, method.name),
            _handler(method, implementation, errors, outages, shares),
            max_body_bytes=max_body_bytes,
            long_poll=True,
        )
    return router


class _SecretRefused(ApiSecretRefused):
    """The secret is wrong."""

    status = 401


def _guard(secret: str) -> Guard:
    expected = f"Bearer {secret}".encode()

    def check(request: Request) -> None:
        given = (request.header("authorization") or "").encode("latin-1")
        if not hmac.compare_digest(given, expected):
            _log.warning(
                "An internal call had a wrong secret", extra={"address": request.client_address}
            )
            raise _SecretRefused

    return check


def _handler(
    method: Method,
    implementation: Any,
    errors: ErrorTypes,
    outages: tuple[type[Exception], ...],
    shares: Callable[[], Iterable[int]] | None,
) -> Handler:
    perform = getattr(implementation, method.name)
    parameters = method.parameters
    content_type = CONTENT_TYPE.encode()

    async def call(request: Request) -> bytes:
        if identity := request.header(REQUEST_ID_HEADER):
            request_id.set(identity[:_MAX_REQUEST_ID])
        try:
            given = method.decode_arguments(await request.body())
        except Undecodable as error:
            raise ApiMismatch(str(error)) from error
        arguments = {name: getattr(given, name) for name in parameters}
        seconds = _seconds(request)
        if seconds is None:
            return encode(await perform(**arguments))
        async with deadline(seconds):
            return encode(await perform(**arguments))

    def headers() -> list[tuple[bytes, bytes]]:
        return [] if shares is None else [(_SHARES, tell(shares()).encode())]

    async def handle(request: Request) -> Response:
        try:
            answer = await call(request)
            return Response(answer, content_type=content_type, headers=headers())
        except Exception as error:  # noqa: BLE001 (the edge of the process: each error crosses)
            return _error_answer(method, errors, outages, error)

    return handle


def _seconds(request: Request) -> float | None:
    text = request.header(DEADLINE_HEADER)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError as error:
        raise ApiMismatch("The deadline is not a number.") from error
    if not math.isfinite(seconds):
        raise ApiMismatch("The deadline is not a number.")
    return seconds


def _error_answer(
    method: Method, errors: ErrorTypes, outages: tuple[type[Exception], ...], error: Exception
) -> Response:
    answered: Exception
    if errors.carries(error):
        answered = error
    elif isinstance(error, outages):
        _log.debug("A dependency is away: %s", error, extra={"method": method.name})
        answered = ApiUnavailable()
    else:
        _log.error("An internal call failed", exc_info=error, extra={"method": method.name})
        answered = InternalError(f"{method.name} failed: {type(error).__qualname__}")
    return Response(
        errors.encode(answered),
        status=status_of(answered),
        content_type=ERROR_CONTENT_TYPE.encode(),
    )
