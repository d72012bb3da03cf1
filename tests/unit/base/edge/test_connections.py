"""How many connections a listener takes."""

from base.http import serve
from tests.unit.base.edge.sockets import LAST, all_of, connected, exchange, listener


async def test_connections_over_the_limit_are_closed_at_once() -> None:
    async with serve([listener(max_connections=2)]) as server:
        port = server.ports[0]
        async with connected(port), connected(port) as (reader, writer):
            assert await exchange(port, [LAST]) == b""
            writer.write(LAST)
            assert b"200 OK" in await all_of(reader)
            # One of the two has ended: there is room again.
            assert b"200 OK" in await exchange(port, [LAST])
