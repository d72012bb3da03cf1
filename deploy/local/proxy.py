"""A small reverse proxy for a cluster on one machine that has no nginx: routes by the table.

`python -m deploy.local.proxy PORT COMPONENT=PORT,PORT …` listens on loopback. It is for trying
things out: it speaks no TLS, and keeps a request in memory until it has been forwarded.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from base.tasks import run as run_event_loop
from deploy.local.proxy_http import ClientConnection, Forward, Upstream, UpstreamLost
from deploy.route_table import FALLBACK, component_for

_REST_S: Final = 1.0
_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"})
_BAD_GATEWAY: Final = (
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\ncontent-length: 66\r\n\r\n"
    b'{"errcode": "M_UNKNOWN", "error": "No part of the server answers"}'
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
            self._rest_until[port] = loop.time() + _REST_S
            raise
        return upstream

    def give_back(self, port: int, upstream: Upstream) -> None:
        """Keep a connection whose answer is complete."""
        self._idle[port].append(upstream)


class _Proxy:
    """Forwards requests to the component that answers them."""

    def __init__(self, ports: Mapping[str, Sequence[int]]) -> None:
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
        for port in replicas.order():
            try:
                upstream = await replicas.take(port)
            except OSError:
                continue
            try:
                may_go_on = await upstream.exchange(request, client)
            except UpstreamLost as lost:
                if lost.has_answered:
                    client.abort()
                    return
                if request.method not in _REPEATABLE and not lost.was_idle:
                    break
            else:
                if may_go_on:
                    replicas.give_back(port, upstream)
                return
        client.write(_BAD_GATEWAY)


async def serve(port: int, ports: Mapping[str, Sequence[int]]) -> None:
    """Serve until cancelled."""
    proxy = _Proxy(ports)
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
