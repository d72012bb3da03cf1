"""Finds the addresses of names, and lets only those through that may be asked."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from base.guarded.addresses import AddressRules
from base.guarded.errors import AddressRefused

_THREADS: Final = 4


class NameResolver(Protocol):
    """Finds the addresses of names."""

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the addresses of a name, the best one first. Raises `OSError`."""
        ...

    async def close(self) -> None:
        """Let go of what the resolver holds."""
        ...


class SystemResolver:
    """Asks as the operating system does.

    It has threads of its own: names that take long to find hold up nobody else in the process.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolving")

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the addresses of a name, in the order of RFC 6724."""
        found = await asyncio.get_running_loop().run_in_executor(self._executor, _look_up, host)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
    try:
        return list(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except ValueError as error:
        # A label that is empty or too long, or has a NUL, is in no name.
        raise OSError(f"{host!r} is no name") from error


class GuardedResolver(AbstractResolver):
    """What a connector of aiohttp asks for addresses.

    A name with one denied address among others is refused as a whole: which one a connection takes
    is not left to chance.
    """

    def __init__(self, resolver: NameResolver, rules: AddressRules) -> None:
        self._resolver = resolver
        self._rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return where to connect. Raises `AddressRefused`, and `OSError` for unknown names."""
        del family
        addresses = await self._resolver.resolve(host)
        if any(map(self._rules.is_denied, addresses)):
            raise AddressRefused(f"{host} is in a network that is denied")
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Let go of what the resolver holds."""
        await self._resolver.close()


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )
