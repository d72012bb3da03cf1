"""A small reverse proxy for a cluster on one machine that has no nginx: routes by the table.

`python -m localcluster.proxy PORT COMPONENT=PORT,PORT …` listens on loopback. It is for trying
things out: it speaks no TLS, and keeps a request in memory until it has been forwarded. A replica
that refuses or stands still is passed over for some seconds.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from base.tasks import run as run_event_loop
from deploy.generating.route_table import FALLBACK, component_for

_REST_S: Final = 3.0
_PATIENCE_S: Final = 30.0
"""After which an answer must have begun, unless the client has asked for it to be held back."""
_SUSPICIOUS_S: Final = 1.0
"""A client that gives up after so long has met a replica that stands still, or is busy."""
_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_HOP_BY_HOP: Final = ("connection", "keep-alive", "transfer-encoding", "expect", "host")
_MAX_BODY_BYTES: Final = 64 << 20
_KEEP_ALIVE_S: Final = 30.0
"""Shorter than the components', so that no request is sent where nobody listens any more."""


class _Replicas:
    """The processes of one component, in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._rest_until: dict[int, float] = {}

    def order(self) -> list[int]:
        """Return the ports to try, those that failed a moment ago last."""
        self._ports.append(self._ports.pop(0))
        now_s = asyncio.get_running_loop().time()
        return sorted(self._ports, key=lambda port: self._rest_until.get(port, 0.0) > now_s)

    def failed(self, port: int) -> None:
        """Try this one last for some seconds."""
        self._rest_until[port] = asyncio.get_running_loop().time() + _REST_S


class _Proxy:
    """Forwards requests to the component that answers them."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        ports: Mapping[str, Sequence[int]],
        patience_s: float,
    ) -> None:
        self._session = session
        self._patience_s = patience_s
        self._components = {name: _Replicas(ones) for name, ones in ports.items()}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.raw_path.partition("?")[0]
        name = component_for(request.method, path)
        if name is None and path.startswith("/_matrix/"):
            name = FALLBACK
        if name not in self._components:
            return web.Response(status=404)
        replicas = self._components[name]
        status, body, wait_s = 502, await request.read(), _wait_s(request)
        for port in replicas.order():
            try:
                answer = await self._ask(replicas, port, request, body, wait_s)
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError) as failure:
                status = 504 if isinstance(failure, TimeoutError) else status
                if request.method not in _REPEATABLE:
                    break
            else:
                return await _pass_on(request, answer)
        refusal = {"errcode": "M_UNKNOWN", "error": "A part of the server does not answer."}
        return web.json_response(refusal, status=status)

    async def _ask(
        self, replicas: _Replicas, port: int, request: web.Request, body: bytes, wait_s: float
    ) -> aiohttp.ClientResponse:
        """Return the beginning of an answer. Raises `ClientError` and `TimeoutError`."""
        url = URL(f"http://127.0.0.1:{port}{request.raw_path}", encoded=True)
        headers = _passed_on(request.headers, without="x-forwarded-for")
        forwarded_for = [*request.headers.getall("X-Forwarded-For", []), request.remote or ""]
        headers.append(("X-Forwarded-For", ", ".join(forwarded_for)))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self._patience_s + wait_s):
                return await self._session.request(
                    request.method, url, headers=headers, data=body, allow_redirects=False
                )
        except (aiohttp.ClientError, TimeoutError):
            replicas.failed(port)
            raise
        except asyncio.CancelledError:
            if not wait_s and loop.time() - began_s >= _SUSPICIOUS_S:
                replicas.failed(port)
            raise


def _wait_s(request: web.Request) -> float:
    """Return how long the answer may be held back, because the client asked for that."""
    asked_ms = request.query.get("timeout", "")
    return int(asked_ms) / 1000 if asked_ms.isdecimal() else 0.0


def _passed_on(headers: Mapping[str, str], without: str = "") -> list[tuple[str, str]]:
    """Return the headers that are not of one connection alone."""
    kept = ((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)
    return [(name, value) for name, value in kept if name.lower() != without]


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Return the answer, passed on as it comes."""
    async with answer:
        response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
        await response.prepare(request)
        try:
            async for part in answer.content.iter_any():
                await response.write(part)
        except aiohttp.ClientError:
            # It cannot be completed, and the client has to see that.
            if request.transport is not None:
                request.transport.abort()
        return response


async def serve(
    port: int, ports: Mapping[str, Sequence[int]], *, patience_s: float = _PATIENCE_S
) -> None:
    """Serve until cancelled; an answer that has not begun after `patience_s` is given up."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
        auto_decompress=False,
    ) as session:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", _Proxy(session, ports, patience_s).answer)
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, auto_decompress=False
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def main() -> None:
    """Run as the command line says."""
    port, *given = sys.argv[1:]
    split = (one.partition("=") for one in given)
    ports = {name: [int(number) for number in listed.split(",")] for name, _, listed in split}
    try:
        run_event_loop(serve(int(port), ports))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
