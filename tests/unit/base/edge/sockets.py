"""Sockets on which a test sends bytes as they are, to a server with one small application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from base.http import (
    ApplicationSettings,
    Listener,
    Request,
    Response,
    Router,
    application,
    json_response,
)
from base.http.router import Handler

CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def echo(request: Request) -> Response:
    if request.method == "GET":
        return json_response(request.query)
    return json_response(await request.json_object())


def listener(
    handler: Handler = echo,
    *,
    body_timeout_s: float = 60.0,
    long_poll: bool = False,
    **options: float,
) -> Listener:
    router = Router()
    router.get("/x", handler, long_poll=long_poll)
    router.post("/x", handler, long_poll=long_poll)
    settings = ApplicationSettings(max_body_bytes=1 << 20, body_timeout_s=body_timeout_s)
    return Listener(application([router], settings=settings), **options)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server ends the connection, however it does."""
    pieces = []
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := await reader.read(65536):
            pieces.append(piece)
    return b"".join(pieces)


async def exchange(port: int, pieces: Iterable[bytes]) -> bytes:
    """Send pieces while the server takes them; return what it answers until it ends."""
    async with connected(port) as (reader, writer):
        answer = asyncio.create_task(all_of(reader))
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                if answer.done():
                    break
                writer.write(piece)
                await writer.drain()
        return await answer


def status_of(answer: bytes) -> int:
    return int(answer[:3])
