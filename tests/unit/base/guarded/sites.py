"""Sites on this machine that a guarded client is sent to, honest ones and others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

from base.guarded.addresses import AddressRules
from base.guarded.client import GuardedClient, GuardedLimits, UrlRules
from base.guarded.resolving import NameResolver

Page: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]
HOME = AddressRules(allowed=["127.0.0.1/32"])
"""What lets tests reach a site on this machine, and nothing else that is denied."""


class Site:
    """Answers requests with pages that are written byte by byte."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        """The heads of all requests."""
        self.connections = 0
        self._answering: set[asyncio.Task[None]] = set()
        self.port = 0

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def set(
        self,
        path: str,
        body: bytes = b"",
        *headers: str,
        kind: str = "text/html",
        status: int = 200,
    ) -> str:
        """Answer a path with a whole body, and return its URL."""
        self.pages[path] = answering(body, f"Content-Type: {kind}", *headers, status=status)
        return self.url(path)

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [head.split()[1] for head in self.asked]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._answer(reader, writer))
        self._answering.add(task)
        await asyncio.wait([task])

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            path = head.split()[1]
            await self.pages.get(path.partition("?")[0], answering(b"", status=404))(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            # The reader has gone.
            pass
        finally:
            writer.close()

    async def end(self) -> None:
        """End what is still being answered."""
        for task in self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering)


def answering(body: bytes, *headers: str, status: int = 200) -> Page:
    """Return a page with a whole body."""
    lines = (f"HTTP/1.1 {status} Somehow", f"Content-Length: {len(body)}", *headers, "", "")

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + body)

    return write


def redirecting(target: str, status: int = 302) -> Page:
    """Return a page that leads elsewhere."""
    return answering(b"", f"Location: {target}", status=status)


def endless(start: bytes, piece: bytes) -> Page:
    """Return a page that goes on as long as somebody reads it."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()

    return write


def stopping(start: bytes) -> Page:
    """Return a page that begins and then says nothing more."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await writer.drain()
        await asyncio.Event().wait()

    return write


@contextlib.asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """Open a site at a free port."""
    site = Site()
    server = await asyncio.start_server(site.answer, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        await site.end()


class Names:
    """A resolver that knows these names; each look-up of one takes the next of its answers."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self._answers = {name.replace("_", "."): answers[name] for name in answers}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._answers:
            raise OSError(f"there is no {host}")
        turn = self.asked.count(host) - 1
        answers = self._answers[host]
        return answers[min(turn, len(answers) - 1)].split()

    async def close(self) -> None:
        """There is nothing to let go of."""


LIMITS = GuardedLimits(timeout_s=30, redirects=5, at_once=10, at_once_per_host=10, waiting=100)


@contextlib.asynccontextmanager
async def open_client(
    resolver: NameResolver | None = None,
    *,
    addresses: AddressRules = HOME,
    urls: UrlRules | None = None,
    limits: GuardedLimits = LIMITS,
) -> AsyncIterator[GuardedClient]:
    """Open a client that may reach sites on this machine."""
    client = GuardedClient(
        resolver=resolver or Names(site_test=["127.0.0.1"]),
        addresses=addresses,
        urls=urls or UrlRules(),
        limits=limits,
        user_agent="tests",
    )
    try:
        yield client
    finally:
        await client.close()
