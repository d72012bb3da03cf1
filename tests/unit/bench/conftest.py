"""A scripted server on a loopback port, for what the load generator sends and reads."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from bench.http import Address

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listening = Callable[[Handler], AbstractAsyncContextManager[Address]]


@asynccontextmanager
async def listen(handler: Handler) -> AsyncIterator[Address]:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has what it wanted
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        await asyncio.gather(*tasks)
        # A closed transport lets go of its socket in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.fixture
def listening() -> Listening:
    return listen
