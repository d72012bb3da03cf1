"""Previews of URLs: what pages say of themselves, and what hostile ones do."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from PIL import Image

from base.http.testing import Answer
from base.limits import Rate
from components.mediaapi.settings import UrlPreviewSettings
from tests.component.mediaapi.media_house import DOWNLOAD, LATER_MS, OPEN, Deployment, MediaHouse
from tests.unit.base.guarded.sites import (
    Names,
    Site,
    answering,
    endless,
    open_site,
    redirecting,
    stopping,
)

PREVIEW = "/_matrix/client/v1/media/preview_url"
FORMER = "/_matrix/media/v3/preview_url"
HOUR_MS = 3_600_000
NAMES = Names(site_test=["127.0.0.1"], private_test=["10.0.0.1"], mixed_test=["127.0.0.1 ::1"])
SETTINGS = UrlPreviewSettings(enabled=True, allowed_networks=("127.0.0.1/32",))


def settings(**changed: Any) -> UrlPreviewSettings:
    return msgspec.structs.replace(SETTINGS, **changed)


@pytest.fixture(name="site")
async def fixture_site() -> AsyncIterator[Site]:
    async with open_site() as site:
        yield site


@pytest.fixture(name="previewing")
async def fixture_previewing(deployment: Deployment) -> AsyncIterator[MediaHouse]:
    async with deployment.start(resolver=NAMES, url_previews=settings()) as house:
        yield house


def picture(kind: str = "PNG", width: int = 279, height: int = 129) -> bytes:
    body = io.BytesIO()
    Image.effect_noise((width, height), 50).save(body, kind)
    return body.getvalue()


def page(*meta: str, title: str = "", body: str = "") -> bytes:
    """Return a page; each of `meta` is a property, and behind its first space its content."""
    head = "".join(
        f'<meta property="{name}" content="{value}">'
        for name, _, value in (one.partition(" ") for one in meta)
    )
    return f"<html><head><title>{title}</title>{head}</head><body>{body}</body></html>".encode()


async def ask(house: MediaHouse, url: str, path: str = PREVIEW) -> Answer:
    quoted = url.replace("%", "%25").replace("&", "%26").replace("#", "%23").replace("+", "%2B")
    return await house.alice.get(f"{path}?url={quoted}")


async def preview(house: MediaHouse, url: str) -> dict[str, Any]:
    answer = await ask(house, url)
    assert answer.status == 200, answer
    said: dict[str, Any] = answer.json
    return said


async def test_a_page_is_shown_as_open_graph_says_with_its_picture(
    previewing: MediaHouse, site: Site
) -> None:
    body = picture()
    site.set("/test.png", body, kind="image/png")
    url = site.set(
        "/test.html",
        page(
            "og:title The Rock",
            "og:type video.movie",
            "og:url http://movies.test/rock/",
            "og:image test.png",
            "og:image:width 5000",
            title="The Rock (1996)",
        ),
    )

    for path in (PREVIEW, FORMER, FORMER.replace("v3", "r0")):
        answer = await ask(previewing, url, path)

        assert answer.status == 200
        uri = answer.json["og:image"]
        assert answer.json == {
            "og:title": "The Rock",
            "og:type": "video.movie",
            "og:url": "http://movies.test/rock/",
            "og:image": uri,
            "og:image:type": "image/png",
            "og:image:width": 279,
            "og:image:height": 129,
            "matrix:image:size": len(body),
        }
        shown = await previewing.download(uri.removeprefix("mxc://"))
        assert shown.body == body
        assert shown.headers["content-type"] == "image/png"
        thumbnail = uri.replace("mxc:/", "/_matrix/client/v1/media/thumbnail")
        assert (await previewing.bob.get(f"{thumbnail}?width=32&height=32")).status == 200
        # It was uploaded by nobody, and is given to users only.
        opened = uri.replace("mxc:/", OPEN)
        assert (await previewing.nobody.get(opened)).status == 404
    assert site.paths() == ["/test.html", "/test.png"]
    assert "Accept-Language: en, *;q=0.5" in site.asked[0]


async def test_where_previews_are_off_the_endpoints_are_not_known(house: MediaHouse) -> None:
    for path in (PREVIEW, FORMER):
        answer = await ask(house, "http://site.test/", path)

        assert (answer.status, answer.json["errcode"]) == (404, "M_UNRECOGNIZED")


async def test_previews_are_for_users(previewing: MediaHouse, site: Site) -> None:
    guest = previewing.nobody.as_user("@guest:xylem.test")

    assert (await previewing.nobody.get(f"{PREVIEW}?url={site.url()}")).status == 401
    assert (await guest.get(f"{PREVIEW}?url={site.url()}")).status == 403
    assert site.asked == []


async def test_a_url_has_to_be_given(previewing: MediaHouse) -> None:
    assert (await previewing.alice.get(PREVIEW)).json["errcode"] == "M_MISSING_PARAM"
    wrong = await previewing.alice.get(f"{PREVIEW}?url=http://site.test/&ts=now")
    assert wrong.json["errcode"] == "M_INVALID_PARAM"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "data:text/html,hello",
        "http://alice:secret@site.test/",
        "site.test",
        "<html>",
        "http://[::1",
        "http://site.test/never/this",
        "http://SITE.test:80/never/this",
        "http://site.test/n%65ver/this",
        "http://www.never.test/",
    ],
)
async def test_what_is_no_page_and_what_settings_name_is_not_asked(
    deployment: Deployment, url: str
) -> None:
    names = Names(site_test=["127.0.0.1"], **{"www.never_test": ["127.0.0.1"]})
    chosen = settings(never=("http://site.test/never/*", "*.never.test"))
    async with deployment.start(resolver=names, url_previews=chosen) as house:
        answer = await ask(house, url)

        assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN")
        assert names.asked == []


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://127.0.0.2/",
        "http://private.test/",
        "http://mixed.test/",
        "http://unknown.test/",
    ],
)
async def test_denied_networks_are_not_told_from_sites_that_are_not_there(
    previewing: MediaHouse, site: Site, target: str
) -> None:
    site.pages["/"] = redirecting(target)

    answers = [await ask(previewing, url) for url in (target, site.url())]

    gone = await ask(previewing, site.set("/gone", status=410))
    assert gone.status == 502
    assert all(answer.status == 502 and answer.json == gone.json for answer in answers)


async def test_a_picture_in_a_denied_network_is_left_out(
    previewing: MediaHouse, site: Site
) -> None:
    denied = ("http://10.0.0.1/p.png", "http://private.test/p.png")
    for target in (*denied, "file:///p.png", "gone", "http://[::1", "//[", "\\"):
        path = f"/{len(site.pages)}"
        link = f'<link rel="alternate" type="application/json+oembed" href="{target}">'
        url = site.set(path, page("og:title A title", f"og:image {target}", body=link))

        assert await preview(previewing, url) == {"og:title": "A title"}


async def test_a_picture_is_shown_for_itself(previewing: MediaHouse, site: Site) -> None:
    body = picture("JPEG", 40, 30)
    said = await preview(previewing, site.set("/p", body, kind="image/png"))

    assert said["og:image:type"] == "image/jpeg"
    assert (said["og:image:width"], said["og:image:height"]) == (40, 30)
    assert said["matrix:image:size"] == len(body)


async def test_what_is_no_picture_or_too_large_a_one_is_left_out(
    deployment: Deployment, site: Site
) -> None:
    bomb = picture("PNG", 1001, 1000)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    async with deployment.start(
        resolver=NAMES,
        url_previews=settings(image_bytes_max=5_000_000),
        thumbnail_pixels_max=1_000_000,
    ) as house:
        for number, body in enumerate((bomb, svg, b"\x89PNG\r\n\x1a\n" + bytes(100), b"", b"x")):
            image = site.set(f"/{number}.png", body, kind="image/png")
            url = site.set(f"/{number}", page("og:title A title", f"og:image {image}"))
            assert await preview(house, url) == {"og:title": "A title"}
            assert await preview(house, image) == {}
        site.pages["/endless.png"] = endless(
            b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", picture() * 10
        )
        url = site.set("/page", page("og:title A title", "og:image endless.png"))
        assert await preview(house, url) == {"og:title": "A title"}
        assert (await ask(house, site.url("/endless.png"))).status == 502
        assert house.files() == []


async def test_other_content_has_an_empty_preview(previewing: MediaHouse, site: Site) -> None:
    for kind in ("video/mp4", "audio/aac", "application/pdf", "text/plain", ""):
        url = site.set(f"/{kind}", b"anything", kind=kind)

        assert await preview(previewing, url) == {}


async def test_oembed_fills_what_the_page_does_not_say(previewing: MediaHouse, site: Site) -> None:
    site.set("/p.png", picture(width=50, height=40), kind="image/png")
    oembed = {
        "type": "rich",
        "author_name": "Alice",
        "provider_name": "Photos",
        "html": "<div>What <b>Alice</b> wrote<script>alert(1)</script></div>",
        "thumbnail_url": site.url("/p.png"),
        "width": "many",
    }
    site.set("/oembed", json.dumps(oembed).encode(), kind="application/json")
    link = '<link rel="alternate" type="application/json+oembed" href="/oembed?url=x">'
    url = site.set("/page", page("og:description Mine", title="A page", body=link))

    said = await preview(previewing, url)

    assert said["og:title"] == "Alice"
    assert said["og:site_name"] == "Photos"
    assert said["og:description"] == "Mine"
    assert said["og:image:width"] == 50
    bare = site.set("/bare", page(body=link))
    assert (await preview(previewing, bare))["og:description"] == "What Alice wrote"
    photo = {"type": "photo", "url": site.url("/p.png"), "title": "A photo"}
    site.set("/oembed", json.dumps(photo).encode(), kind="application/json")
    said = await preview(previewing, site.set("/photo", page(body=link)))
    assert (said["og:title"], said["og:image:height"]) == ("A photo", 40)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b'{"title": 5, "html": []}', b"[" * 100_000, b'{"a":' * 40_000],
)
async def test_where_oembed_fails_the_page_is_shown(
    previewing: MediaHouse, site: Site, body: bytes
) -> None:
    site.set("/oembed", body, kind="application/json")
    link = '<link rel="alternate" type="application/json+oembed" href="/oembed">'

    said = await preview(previewing, site.set("/page", page(title="A page", body=link)))

    assert said == {"og:title": "A page"}


async def test_pages_that_stop_or_are_bombs_are_given_up(
    deployment: Deployment, site: Site
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    async with deployment.start(resolver=NAMES, url_previews=settings(timeout_s=0.3)) as house:
        site.pages["/stops"] = stopping(head)
        site.pages["/drips"] = stopping(head + b"\r\n<title>A title</title>")
        site.pages["/loops"] = redirecting("/loops")
        for path in ("/stops", "/drips", "/loops"):
            assert (await ask(house, site.url(path))).status == 502
    async with deployment.start(resolver=NAMES, url_previews=settings()) as house:
        start = b"<title>A title</title>"
        site.pages["/endless"] = endless(head + b"\r\n" + start, b"<div>" * 10_000)
        bomb = gzip.compress(start + b"<div>" * 20_000_000, 9)
        site.set("/bomb", bomb, "Content-Encoding: gzip")
        site.set("/nested", start + b"<div>" * 2_000_000)
        for path in ("/endless", "/bomb", "/nested"):
            assert await preview(house, site.url(path)) == {"og:title": "A title"}


async def test_requests_for_the_same_url_share_one_fetch(
    previewing: MediaHouse, site: Site
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        await answering(page("og:title Once"), "Content-Type: text/html")(writer)

    site.pages["/held"] = held
    requests = [
        asyncio.create_task(client.get(f"{PREVIEW}?url={site.url('/held')}"))
        for client in (previewing.alice, previewing.bob, previewing.alice)
    ]
    await asked.wait()
    requests.append(asyncio.create_task(ask(previewing, site.url("/held"))))
    requests[0].cancel()
    await asyncio.sleep(0)
    go_on.set()

    answers = await asyncio.gather(*requests[1:])
    assert [answer.json for answer in answers] == [{"og:title": "Once"}] * 3
    assert len(site.asked) == 1


async def test_a_preview_is_made_to_its_end_although_nobody_waits(
    previewing: MediaHouse, site: Site
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        await answering(page("og:title Once"), "Content-Type: text/html")(writer)

    site.pages["/held"] = held
    request = asyncio.create_task(ask(previewing, site.url("/held")))
    await asked.wait()
    request.cancel()
    await asyncio.wait([request])
    go_on.set()

    assert await preview(previewing, site.url("/held")) == {"og:title": "Once"}
    assert len(site.asked) == 1


async def test_a_preview_is_kept_for_a_while_also_by_other_replicas(
    deployment: Deployment, site: Site
) -> None:
    url = site.set("/", page("og:title First"))
    async with (
        deployment.start(resolver=NAMES, url_previews=settings()) as one,
        deployment.start(resolver=NAMES, url_previews=settings()) as other,
    ):
        assert await preview(one, url) == {"og:title": "First"}
        site.set("/", page("og:title Second"))
        assert await preview(other, url) == {"og:title": "First"}
        assert await preview(other, site.url("/#part")) == {"og:title": "Second"}

        deployment.clock.advance_ms(6 * HOUR_MS)
        assert await preview(other, url) == {"og:title": "Second"}
        assert await preview(one, url) == {"og:title": "Second"}


async def test_a_page_that_failed_is_not_asked_again_at_once(
    deployment: Deployment, previewing: MediaHouse, site: Site
) -> None:
    url = site.set("/", status=500)
    for _ in range(3):
        assert (await ask(previewing, url)).status == 502
    assert len(site.asked) == 1
    site.set("/", page("og:title Better"))
    deployment.clock.advance_ms(60_000)

    assert await preview(previewing, url) == {"og:title": "Better"}


async def test_a_picture_goes_an_hour_after_its_preview_and_from_the_disk(
    deployment: Deployment, previewing: MediaHouse, site: Site
) -> None:
    own = await previewing.upload(b"something else")
    site.set("/p.png", picture(), kind="image/png")
    said = await preview(previewing, site.set("/", page("og:image p.png")))
    path = said["og:image"].removeprefix("mxc://")
    assert len(previewing.files()) == 2
    # The same picture in two previews is on the disk once.
    again = await preview(previewing, site.set("/again", page("og:image p.png")))
    assert len(previewing.files()) == 2
    deployment.clock.advance_ms(7 * HOUR_MS)
    await previewing.server.sweeping.sweep(0)
    assert (await previewing.download(path)).status == 200

    deployment.clock.advance_ms(1)
    await previewing.server.sweeping.sweep(0)

    for gone in (path, again["og:image"].removeprefix("mxc://")):
        assert (await previewing.download(gone)).status == 404
    assert (await previewing.download(own)).status == 200
    assert len(previewing.files()) == 1


async def test_a_file_that_a_user_has_uploaded_outlives_the_preview(
    deployment: Deployment, previewing: MediaHouse, site: Site
) -> None:
    body = picture()
    site.set("/p.png", body, kind="image/png")
    await preview(previewing, site.set("/", page("og:image p.png")))
    own = await previewing.upload(body)
    deployment.clock.advance_ms(8 * HOUR_MS)
    await previewing.server.sweeping.sweep(LATER_MS)

    assert (await previewing.download(own)).body == body


async def test_pictures_of_previews_are_in_no_quota(deployment: Deployment, site: Site) -> None:
    body = picture()
    site.set("/p.png", body, kind="image/png")
    url = site.set("/", page("og:image p.png"))
    async with deployment.start(
        resolver=NAMES, url_previews=settings(), quota_bytes_per_user=10
    ) as house:
        assert (await preview(house, url))["matrix:image:size"] == len(body)
        await house.upload(b"ten bytes!")


async def test_the_oldest_previews_go_where_there_are_too_many(
    deployment: Deployment, site: Site
) -> None:
    bodies = [picture(width=100 + number) for number in range(4)]
    chosen = settings(kept_max=3, image_bytes_kept_max=sum(map(len, bodies[1:])))
    async with deployment.start(resolver=NAMES, url_previews=chosen) as house:
        said = []
        for number, body in enumerate(bodies):
            site.set(f"/{number}.png", body, kind="image/png")
            url = site.set(f"/{number}", page(f"og:image {number}.png"))
            said.append(await preview(house, url))
            deployment.clock.advance_ms(1)
        paths = [one["og:image"].removeprefix("mxc://") for one in said]
        shown = [(await house.bob.get(f"{DOWNLOAD}/{path}")).status for path in paths]

        # All that was there when there was no room has gone.
        assert shown == [404, 404, 404, 200]
        assert len(house.files()) == 1


async def test_only_so_many_previews_are_made_at_once(deployment: Deployment, site: Site) -> None:
    chosen = settings(fetched_at_once=1, fetched_at_once_per_host=1, waiting_max=1)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go_on.wait()
        await answering(page("og:title Late"), "Content-Type: text/html")(writer)

    for path in ("/1", "/2", "/3"):
        site.pages[path] = held
    async with deployment.start(resolver=NAMES, url_previews=chosen) as house:
        first = asyncio.create_task(preview(house, site.url("/1")))
        await asked.wait()
        second = asyncio.create_task(preview(house, site.url("/2")))
        await house.until_previewing(2)
        third = await ask(house, site.url("/3"))
        assert third.json["errcode"] == "M_LIMIT_EXCEEDED"
        go_on.set()
        assert await first == await second == {"og:title": "Late"}


async def test_who_asks_too_often_is_told(deployment: Deployment, site: Site) -> None:
    url = site.set("/", page("og:title A title"))
    async with deployment.start(
        resolver=NAMES,
        url_previews=settings(),
        preview_rate_per_user=Rate(per_second=1, burst=2),
    ) as house:
        statuses = [(await ask(house, url)).status for _ in range(3)]

        assert statuses == [200, 200, 429]
        assert (await house.bob.get(f"{PREVIEW}?url={url}")).status == 200
