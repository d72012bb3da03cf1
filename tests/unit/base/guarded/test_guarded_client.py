"""A guarded client reaches what it may, by the address that was checked."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from base.guarded.addresses import AddressRules
from base.guarded.answer import GuardedAnswer
from base.guarded.client import GuardedLimits, UrlRules
from base.guarded.errors import (
    AddressRefused,
    GuardedRequestError,
    NotReached,
    TooManyRedirects,
    UrlRefused,
)
from base.guarded.resolving import SystemResolver
from matrix.errors import LimitExceeded
from tests.unit.base.guarded.sites import (
    LIMITS,
    Names,
    answering,
    open_client,
    open_site,
    redirecting,
    stopping,
)


async def test_a_page_is_read_with_its_head() -> None:
    async with open_site() as site, open_client() as client:
        url = site.set("/page", b"hello", "X-More: yes")

        async with client.get(url, {"Accept-Language": "fr"}) as answer:
            assert (answer.status, answer.url) == (200, url)
            assert answer.headers["x-more"] == "yes"
            assert await answer.read(100) == b"hello"
        assert "Accept-Language: fr\r\n" in site.asked[0]
        assert "User-Agent: tests\r\n" in site.asked[0]


async def test_a_name_is_asked_by_the_address_that_it_has() -> None:
    names = Names(site_test=["127.0.0.1"])
    async with open_site() as site, open_client(names) as client:
        site.set("/", b"hello")

        async with client.get(site.url(host="site.test")) as answer:
            assert await answer.read(100) == b"hello"
        assert f"Host: site.test:{site.port}" in site.asked[0]
        assert names.asked == ["site.test"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "①②⑦.⓪.⓪.①",
        "localhost",
        "private.test",
        "mixed.test",
    ],
)
async def test_denied_addresses_are_never_connected_to(host: str) -> None:
    names = Names(
        private_test=["192.168.1.1"],
        mixed_test=["1.1.1.1 127.0.0.1"],
        localhost=["127.0.0.1"],
        **{"127.1": ["127.0.0.1"], "2130706433": ["127.0.0.1"], "0x7f000001": ["127.0.0.1"]},
        **{"017700000001": ["127.0.0.1"]},
    )
    async with open_site() as site, open_client(names, addresses=AddressRules()) as client:
        with pytest.raises((AddressRefused, UrlRefused)):
            async with client.get(site.url(host=host)):
                pass
        assert site.connections == 0


async def test_names_of_this_machine_are_denied_as_the_system_finds_them() -> None:
    async with (
        open_site() as site,
        open_client(SystemResolver(), addresses=AddressRules()) as client,
    ):
        with pytest.raises(AddressRefused):
            async with client.get(site.url(host="localhost")):
                pass


async def test_a_name_is_looked_up_once_for_a_connection() -> None:
    """A second look-up could give another address than the one that was checked."""
    names = Names(turning_test=["127.0.0.1", "10.0.0.1", "127.0.0.1"])
    async with open_site() as site, open_client(names) as client:
        site.set("/", b"mine")
        url = site.url(host="turning.test")

        async with client.get(url) as answer:
            assert await answer.read(100) == b"mine"
        assert names.asked == ["turning.test"]
        with pytest.raises(AddressRefused):
            async with client.get(url):
                pass
        async with client.get(url) as answer:
            assert await answer.read(100) == b"mine"
        assert len(site.asked) == 2


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://private.test/",
        "//127.0.0.2/",
    ],
)
async def test_a_redirect_is_checked_as_a_request(target: str) -> None:
    names = Names(private_test=["10.0.0.1"])
    async with open_site() as site, open_client(names) as client:
        site.pages["/"] = redirecting(target)

        with pytest.raises(AddressRefused):
            async with client.get(site.url()):
                pass


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://site.test/", "gopher://x"])
async def test_a_redirect_leads_to_pages_only(target: str) -> None:
    async with open_site() as site, open_client() as client:
        site.pages["/"] = redirecting(target)

        with pytest.raises(UrlRefused):
            async with client.get(site.url()):
                pass


async def test_redirects_are_followed_to_their_end() -> None:
    async with open_site() as site, open_client() as client:
        end = site.set("/end", b"here")
        for status in (301, 302, 303, 307, 308):
            site.pages["/start"] = redirecting("/further", status)
            site.pages["/further"] = redirecting(f"{end}#part", status)

            async with client.get(site.url("/start")) as answer:
                assert answer.url.partition("#")[0] == end
                assert await answer.read(100) == b"here"


async def test_a_loop_of_redirects_ends() -> None:
    async with open_site() as site, open_client() as client:
        site.pages["/"] = redirecting("/")

        with pytest.raises(TooManyRedirects):
            async with client.get(site.url()):
                pass
        assert len(site.asked) == LIMITS.redirects + 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://site.test/",
        "data:text/html,hello",
        "//site.test/",
        "http:///path",
        "http://alice:secret@site.test/",
        "http://alice@site.test/",
        "http://site.test:99999/",
        "http://[::1/",
        "http://site.test/" + "x" * 10_000,
        "",
    ],
)
async def test_what_is_no_url_of_a_page_is_refused(url: str) -> None:
    async with open_client() as client:
        with pytest.raises(UrlRefused):
            async with client.get(url):
                pass


async def test_rules_for_urls_hold_for_redirects_too() -> None:
    async with open_site() as site, open_site() as other:
        urls = UrlRules(
            ports=frozenset({site.port}), is_refused=lambda url: url.path.startswith("/no")
        )
        site.pages["/port"] = redirecting(other.url())
        site.pages["/path"] = redirecting("/no/more")
        async with open_client(urls=urls) as client:
            for url in (other.url(), site.url("/no"), site.url("/port"), site.url("/path")):
                with pytest.raises(UrlRefused):
                    async with client.get(url):
                        pass
        assert site.paths() == ["/port", "/path"]
        assert other.asked == []


async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_site() as site, open_site() as proxy, open_client() as client:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        site.set("/", b"directly", "Set-Cookie: who=alice")

        for _ in range(2):
            async with client.get(site.url()) as answer:
                assert await answer.read(100) == b"directly"
        assert proxy.asked == []
        assert not any("cookie" in head.lower() for head in site.asked)


async def test_who_cannot_be_reached_is_told_apart() -> None:
    async with open_site() as site:
        url, unknown = site.url(), site.url(host="unknown.test")
    async with open_client() as client:
        for wrong in (url, unknown):
            with pytest.raises(NotReached):
                async with client.get(wrong):
                    pass


async def test_only_so_many_requests_are_under_way_at_once() -> None:
    limits = GuardedLimits(timeout_s=30, redirects=0, at_once=2, at_once_per_host=1, waiting=1)
    names = Names(a_test=["127.0.0.1"], b_test=["127.0.0.1"])
    async with open_site() as site, open_client(names, limits=limits) as client:
        site.set("/", b"hello")
        on_a, on_b = site.url(host="a.test"), site.url(host="b.test")
        async with client.get(on_a):
            waiting = asyncio.create_task(_read(client.get(on_a)))
            async with client.get(on_b):
                with pytest.raises(LimitExceeded):
                    await _read(client.get(on_b))
            assert len(site.asked) == 2
        assert await waiting == b"hello"
        assert len(site.asked) == 3


async def test_a_request_that_is_cancelled_leaves_its_place() -> None:
    limits = GuardedLimits(timeout_s=30, redirects=0, at_once=1, at_once_per_host=1, waiting=0)
    async with open_site() as site, open_client(limits=limits) as client:
        asked = asyncio.Event()

        async def held(writer: asyncio.StreamWriter) -> None:
            asked.set()
            await stopping(b"")(writer)

        site.pages["/held"] = held
        site.pages["/"] = answering(b"hello")
        held_request = asyncio.create_task(_read(client.get(site.url("/held"))))
        await asked.wait()
        held_request.cancel()
        await asyncio.wait([held_request])

        assert await _read(client.get(site.url())) == b"hello"


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(max_size=40)
    | st.from_regex(r"https?://[^/]{0,20}(/.*)?", fullmatch=True)
    | st.from_regex(r"http://[0-9.x\[\]:a-f%]{1,20}/", fullmatch=True)
)
def test_whatever_is_asked_for_nothing_else_is_raised_and_nothing_denied_is_reached(
    url: str,
) -> None:
    async def ask() -> None:
        async with open_client(Names(), addresses=AddressRules(["0.0.0.0/0", "::/0"])) as client:
            with pytest.raises(GuardedRequestError):
                async with client.get(url):
                    pass

    asyncio.run(ask())


async def _read(request: AbstractAsyncContextManager[GuardedAnswer]) -> bytes:
    async with request as answer:
        return await answer.read(100)
