"""A small reverse proxy for a cluster on one machine that has no nginx: routes by the table.

`python -m deploy.local.proxy PORT COMPONENT=PORT,PORT …` listens on loopback. It is for trying
things out: it speaks no TLS, and keeps a request in memory until it has been forwarded. A replica
that refuses or stands still is passed over for some seconds.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from base.tasks import run as run_event_loop
from deploy.generating.route_table import FALLBACK, component_for
from deploy.local.proxy_http import ClientConnection, Forward, Upstream, UpstreamLost

_REST_S: Final = 3.0
_PATIENCE_S: Final = 30.0
"""After which an answer must have begun, unless the client has asked for it to be held back."""
_SUSPICIOUS_S: Final = 1.0
"""A client that gives up after so long has met a replica that stands still, or is busy."""
_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"})
_BAD_GATEWAY: Final = (
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\ncontent-length: 66\r\n\r\n"
    b'{"errcode": "M_UNKNOWN", "error": "No part of the server answers"}'
)
_GATEWAY_TIMEOUT: Final = (
    b"HTTP/1.1 504 Gateway Timeout\r\ncontent-type: application/json\r\ncontent-length: 69\r\n\r\n"
    b'{"errcode": "M_UNKNOWN", "error": "A part of the server is too slow"}'
)
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class _Replicas:
    """The processes of one component, and connections to them that wait for a request."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._idle: dict[int, list[Upstream]] = {port: [] for port in ports}
        self._rest_until: dict[int, float] = {}
        self._turn = 0

    def order(self) -> list[int]:
        """Return the ports to try, those that failed a moment ago last."""
        ports = list(self._idle)
        self._turn = (self._turn + 1) % len(ports)
        now_s = asyncio.get_running_loop().time()
        order = ports[self._turn :] + ports[: self._turn]
        return sorted(order, key=lambda port: self._rest_until.get(port, 0.0) > now_s)

    async def take(self, port: int) -> Upstream:
        """Return a connection, an idle one if there is one. Raises `OSError`."""
        idle = self._idle[port]
        while idle:
            upstream = idle.pop()
            if not upstream.is_closed:
                return upstream
        loop = asyncio.get_running_loop()
        try:
            _, upstream = await loop.create_connection(Upstream, "127.0.0.1", port)
        except OSError:
            self.failed(port)
            raise
        return upstream

    def failed(self, port: int) -> None:
        """Try this one last for some seconds."""
        self._rest_until[port] = asyncio.get_running_loop().time() + _REST_S

    def give_back(self, port: int, upstream: Upstream) -> None:
        """Keep a connection whose answer is complete."""
        self._idle[port].append(upstream)


class _Proxy:
    """Forwards requests to the component that answers them."""

    def __init__(self, ports: Mapping[str, Sequence[int]], patience_s: float) -> None:
        self._patience_s = patience_s
        self._components = {name: _Replicas(ones) for name, ones in ports.items()}

    async def forward(self, request: Forward, client: ClientConnection) -> None:
        """Answer one request."""
        path = request.path.decode("latin-1")
        name = component_for(request.method.decode("latin-1"), path)
        if name is None and path.startswith("/_matrix/"):
            name = FALLBACK
        replicas = None if name is None else self._components.get(name)
        if replicas is None:
            client.write(_NOT_FOUND)
            return
        answer = _BAD_GATEWAY
        for port in replicas.order():
            try:
                await self._exchange(replicas, port, request, client)
            except OSError:
                continue
            except UpstreamLost as lost:
                if lost.has_answered:
                    client.abort()
                    return
                if lost.is_late:
                    answer = _GATEWAY_TIMEOUT
                if request.method not in _REPEATABLE and (lost.is_late or not lost.was_idle):
                    break
            else:
                return
        client.write(answer)

    async def _exchange(
        self, replicas: _Replicas, port: int, request: Forward, client: ClientConnection
    ) -> None:
        """Let one replica answer. Raises `OSError` and `UpstreamLost`."""
        upstream = await replicas.take(port)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            may_go_on = await upstream.exchange(request, client, self._patience_s + request.wait_s)
        except UpstreamLost as lost:
            if lost.is_late or not lost.was_idle:
                replicas.failed(port)
            raise
        except asyncio.CancelledError:
            waited_s = loop.time() - began_s
            if not (upstream.has_answered or request.wait_s) and waited_s >= _SUSPICIOUS_S:
                replicas.failed(port)
            raise
        if may_go_on:
            replicas.give_back(port, upstream)


async def serve(
    port: int, ports: Mapping[str, Sequence[int]], *, patience_s: float = _PATIENCE_S
) -> None:
    """Serve until cancelled; an answer that has not begun after `patience_s` is given up."""
    proxy = _Proxy(ports, patience_s)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ClientConnection(proxy.forward), "127.0.0.1", port, backlog=4096
    )
    async with server:
        await server.serve_forever()


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
