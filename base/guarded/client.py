"""The one way to addresses that somebody else named.

What protects the network that the server is in:

- A name is looked up once for each connection, all its addresses are checked, and the connection is
  made to one of them: no second look-up could tell another one. The socket itself is made only for
  an address that passes, however it was found.
- Redirects are followed one by one, each as a new request with all checks.
- Nothing is taken from the environment, no proxy and no password; no cookie is kept or sent.

What protects the server: the time of the whole request, the bytes of the answer before and after
decompression, redirects, and how many requests there are at once, in all and for each host.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from base.fair_turns import FairTurns
from base.guarded.addresses import AddressRules
from base.guarded.answer import GuardedAnswer
from base.guarded.errors import (
    AddressRefused,
    AnswerBroken,
    AnswerTooLate,
    NotReached,
    TooManyRedirects,
    UrlRefused,
)
from base.guarded.inflating import ACCEPTED
from base.guarded.resolving import GuardedResolver, NameResolver
from matrix.errors import LimitExceeded

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SCHEMES: Final = frozenset({"http", "https"})
_URL_MAX: Final = 8192
_COME_BACK_MS: Final = 2000
_LINE_MAX: Final = 8190


class GuardedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's requests may take."""

    timeout_s: float
    """Seconds for a whole request, with the time for which it waits, redirects and the body."""
    redirects: int
    at_once: int
    at_once_per_host: int
    waiting: int
    """Requests that wait until others have ended; further ones are refused."""


class UrlRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which URLs are asked; those of redirects, too."""

    ports: frozenset[int] | None = None
    """`None` for all."""
    is_refused: Callable[[URL], bool] = lambda _url: False
    """What else is refused."""

    def check(self, url: URL) -> None:
        """Raise `UrlRefused` unless it is asked."""
        if url.scheme not in _SCHEMES or not url.host:
            raise UrlRefused("only http and https URLs with a host are asked")
        if url.user is not None or url.password is not None:
            raise UrlRefused("the URL has a user name or password")
        if self.ports is not None and url.port not in self.ports:
            raise UrlRefused(f"the port {url.port} is not asked")
        if self.is_refused(url):
            raise UrlRefused("the settings refuse this URL")


class GuardedClient:
    """Asks addresses that somebody else named, within limits.

    It may be made before there is an event loop; what it holds is opened with the first request.
    """

    def __init__(
        self,
        *,
        resolver: NameResolver,
        addresses: AddressRules,
        urls: UrlRules,
        limits: GuardedLimits,
        user_agent: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take the rules; without `tls`, certificates that the system believes are believed."""
        self._resolver = resolver
        self._addresses = addresses
        self._urls = urls
        self._limits = limits
        self._user_agent = user_agent
        self._tls = tls
        self._turns = FairTurns(
            at_once=limits.at_once,
            at_once_per_key=limits.at_once_per_host,
            waiting_per_key=limits.waiting,
        )
        self._under_way = 0
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close what was opened."""
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[GuardedAnswer]:
        """Ask for a URL, and hold the answer as long as it is read.

        Raises what is in `errors`, and `LimitExceeded` where too many wait. The time that the
        caller takes to read counts, too: `AnswerTooLate` may end it.
        """
        limits = self._limits
        if self._under_way >= limits.at_once + limits.waiting:
            raise LimitExceeded(_COME_BACK_MS, "Too many requests are under way.")
        self._under_way += 1
        try:
            async with asyncio.timeout(limits.timeout_s):
                async with self._following(_parsed(url), headers or {}) as answer:
                    yield answer
        except TimeoutError as error:
            raise AnswerTooLate(f"there is no whole answer after {limits.timeout_s} s") from error
        finally:
            self._under_way -= 1

    @asynccontextmanager
    async def _following(
        self, url: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[GuardedAnswer]:
        for _ in range(self._limits.redirects + 1):
            self._urls.check(url)
            async with self._turns.turn(url.host or ""), self._asked(url, headers) as response:
                target = _target_of(response)
                if target is None:
                    yield GuardedAnswer(response)
                    return
            url = target
        raise TooManyRedirects(f"there are more than {self._limits.redirects} redirects")

    @asynccontextmanager
    async def _asked(
        self, url: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            response = await self._opened().get(url, headers=headers, allow_redirects=False)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.__cause__, AddressRefused):
                raise error.__cause__ from None
            raise NotReached(f"{url.host} cannot be reached") from error
        except aiohttp.InvalidURL as error:
            raise UrlRefused("this is no URL") from error
        except aiohttp.ClientError as error:
            raise AnswerBroken("the answer is not HTTP") from error
        try:
            yield response
        finally:
            response.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._resolver, self._addresses),
                use_dns_cache=False,
                socket_factory=self._socket,
                limit=0,  # turns are taken before
                force_close=True,
                ssl=True if self._tls is None else self._tls,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                requote_redirect_url=False,
                timeout=aiohttp.ClientTimeout(total=None),
                max_line_size=_LINE_MAX,
                max_field_size=_LINE_MAX,
                headers={"User-Agent": self._user_agent, "Accept-Encoding": ACCEPTED},
            )
        return self._session

    def _socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for an address, the last moment before the connection is made."""
        family, kind, protocol, _name, address = address_info
        if self._addresses.is_denied(str(address[0])):
            raise AddressRefused(f"{address[0]} is in a network that is denied")
        return socket.socket(family=family, type=kind, proto=protocol)


def _target_of(response: aiohttp.ClientResponse) -> URL | None:
    """Return where a redirect leads; `None` for any other answer."""
    location = response.headers.get("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    try:
        return response.url.join(_parsed(location))
    except ValueError as error:
        raise UrlRefused("the redirect leads to no URL") from error


def _parsed(url: str) -> URL:
    if len(url) > _URL_MAX:
        raise UrlRefused(f"the URL has more than {_URL_MAX} characters")
    try:
        return URL(url)
    except ValueError as error:
        raise UrlRefused("this is no URL") from error
