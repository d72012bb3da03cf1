"""What sites may do to a guarded client: make it wait, flood it, feed it bombs and nonsense."""

import asyncio
import contextlib
import gzip
import tracemalloc
import zlib
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from base.guarded.answer import GuardedAnswer
from base.guarded.client import GuardedLimits
from base.guarded.errors import AnswerBroken, AnswerTooLarge, AnswerTooLate, GuardedRequestError
from tests.unit.base.guarded.sites import (
    Names,
    Site,
    answering,
    endless,
    open_client,
    open_site,
    redirecting,
    stopping,
)

IMPATIENT = GuardedLimits(timeout_s=0.3, redirects=5, at_once=5, at_once_per_host=5, waiting=5)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


async def read(site: Site, path: str = "/", max_bytes: int = 1000) -> bytes:
    async with open_client() as client, client.get(site.url(path)) as answer:
        return await answer.read(max_bytes)


async def test_a_body_without_end_is_read_as_far_as_wanted() -> None:
    async with open_site() as site, open_client() as client:
        site.pages["/"] = endless(HEAD + b"\r\n", b"x" * 10_000)

        async with client.get(site.url()) as answer:
            assert await answer.read_start(5000) == b"x" * 5000
        with pytest.raises(AnswerTooLarge):
            async with client.get(site.url()) as answer:
                await answer.read(100_000)


async def test_a_body_that_is_announced_as_too_large_is_not_read() -> None:
    async with open_site() as site:
        site.pages["/"] = stopping(HEAD + b"Content-Length: 1001\r\n\r\n")

        with pytest.raises(AnswerTooLarge):
            await read(site)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200",
        HEAD,
        HEAD + b"Content-Length: 10\r\n\r\n12345",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
)
async def test_a_site_that_stops_is_given_up_after_a_while(start: bytes) -> None:
    async with open_site() as site, open_client(limits=IMPATIENT) as client:
        site.pages["/"] = stopping(start)

        with pytest.raises(AnswerTooLate):
            async with client.get(site.url()) as answer:
                await answer.read(1000)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEAD + b"\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    ],
)
async def test_a_site_that_drips_is_given_up_after_a_while(start: bytes, piece: bytes) -> None:
    async with open_site() as site, open_client(limits=IMPATIENT) as client:
        dripped = asyncio.Event()

        async def drip(writer: asyncio.StreamWriter) -> None:
            writer.write(start)
            while not writer.is_closing():
                writer.write(piece)
                await writer.drain()
                dripped.set()
                await asyncio.sleep(0.01)

        site.pages["/"] = drip
        with pytest.raises(AnswerTooLate):
            async with client.get(site.url()) as answer:
                await answer.read(1_000_000)
        assert dripped.is_set()


async def test_redirects_have_one_time_for_all() -> None:
    async with open_site() as site, open_client(limits=IMPATIENT) as client:

        async def late(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.2)
            await redirecting("/")(writer)

        site.pages["/"] = late
        with pytest.raises(AnswerTooLate):
            async with client.get(site.url()):
                pass
        assert len(site.asked) == 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
async def test_a_compressed_body_is_decompressed(encoding: str) -> None:
    body = b"hello " * 1000
    raw = zlib.compressobj(wbits=-15)
    compressed = {
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
    }[encoding]
    async with open_site() as site:
        site.set("/", compressed, f"Content-Encoding: {encoding.rpartition(' ')[2]}")

        assert await read(site, max_bytes=6000) == body
        assert "Accept-Encoding: gzip, deflate" in site.asked[0]
        with pytest.raises(AnswerTooLarge):
            await read(site, max_bytes=5999)


async def test_a_bomb_is_decompressed_as_far_as_wanted() -> None:
    bomb = gzip.compress(bytes(100_000_000), 9)
    assert len(bomb) < 100_000
    async with open_site() as site:
        site.set("/", bomb, "Content-Encoding: gzip")

        tracemalloc.start()
        with pytest.raises(AnswerTooLarge):
            await read(site, max_bytes=1_000_000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 5_000_000


async def test_what_is_compressed_to_nothing_without_end_is_given_up() -> None:
    empty = zlib.compressobj(wbits=31)
    start = empty.compress(b"") + empty.flush(zlib.Z_FULL_FLUSH)
    async with open_site() as site:
        # Blocks without content, one after another.
        head = HEAD + b"Content-Encoding: gzip\r\n\r\n"
        site.pages["/"] = endless(head + start, b"\x00\x00\x00\xff\xff")

        with pytest.raises(AnswerTooLarge):
            await read(site)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: ten\r\n\r\n",
        HEAD + b"Content-Length: 10\r\n\r\n12345",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345",
        HEAD + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\n12345",
        b"",
        b"\x00" * 1000,
    ],
)
async def test_nonsense_is_told_as_such(answer: bytes) -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with open_site() as site:
        site.pages["/"] = write

        with pytest.raises(AnswerBroken):
            await read(site)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(
        st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 302 Found\r\n", HEAD]),
        st.sampled_from(
            [
                *(b"", b"Location: ", b"Location: //", b"Location: http://", b"Content-Length: "),
                *(b"Content-Encoding: ", b"Transfer-Encoding: ", b"Content-Type: text/html; a="),
            ]
        ),
        st.binary(max_size=60),
        st.sampled_from([b"", b"\r\n\r\nbody"]),
    )
)
def test_whatever_comes_is_an_answer_or_one_of_the_known_errors(parts: tuple[bytes, ...]) -> None:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))

    async def ask() -> None:
        async with open_site() as site, open_client(Names()) as client:
            site.pages["/"] = write
            with contextlib.suppress(GuardedRequestError):
                async with client.get(site.url()) as answer:
                    await answer.read(1000)

    asyncio.run(ask())


async def test_headers_without_end_are_given_up() -> None:
    async with open_site() as site, open_client(limits=IMPATIENT) as client:
        site.pages["/"] = endless(HEAD, b"X-Further: one\r\n" * 100)

        with pytest.raises(GuardedRequestError):
            async with client.get(site.url()):
                pass


async def test_a_client_goes_on_after_all_that() -> None:
    async with open_site() as site, open_client(limits=IMPATIENT) as client:
        site.pages["/stops"] = stopping(HEAD)
        site.pages["/"] = answering(b"hello")
        for _ in range(2):
            results = await asyncio.gather(
                *(_ask(client.get(site.url("/stops"))) for _ in range(5)), return_exceptions=True
            )
            assert all(isinstance(one, AnswerTooLate) for one in results)

        async with client.get(site.url()) as answer:
            assert await answer.read(100) == b"hello"


async def _ask(request: AbstractAsyncContextManager[GuardedAnswer]) -> None:
    async with request as answer:
        await answer.read(100)
