"""Thumbnails: their sizes, and pictures that are made to do harm."""

import asyncio
import io
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from base.http.testing import Answer
from tests.component.mediaapi.media_house import Deployment, MediaHouse

THUMBNAIL = "/_matrix/client/v1/media/thumbnail"


@pytest.fixture(name="house")
async def fixture_house(tmp_path: Path) -> AsyncIterator[MediaHouse]:
    async with Deployment(f"sqlite:///{tmp_path}/db", tmp_path / "media").start() as house:
        yield house


def written(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a picture."""
    body = io.BytesIO()
    picture.save(body, kind, **options)
    return body.getvalue()


def picture(kind: str = "PNG", width: int = 1000, height: int = 500) -> bytes:
    return written(Image.effect_noise((width, height), 50), kind)


def animation(kind: str, frames: int, width: int = 400) -> bytes:
    """Return an animation whose frames all differ."""
    made = [
        Image.new("RGB", (width, width), (255 - number * 60 % 256, number % 256, 0))
        for number in range(frames)
    ]
    return written(made[0], kind, save_all=True, append_images=made[1:], duration=50)


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a PNG that says that it is this large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


async def thumbnail(
    house: MediaHouse, body: bytes, query: str = "width=320&height=320", kind: str = "image/png"
) -> Answer:
    path = await house.upload(body, kind=kind)
    return await house.bob.get(f"{THUMBNAIL}/{path}?{query}")


def opened(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer
    return Image.open(io.BytesIO(answer.body))


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("width=32&height=32&method=crop", (32, 32)),
        ("width=96&height=96&method=crop", (96, 96)),
        ("width=320&height=240&method=scale", (320, 160)),
        ("width=640&height=480&method=scale", (640, 320)),
        ("width=800&height=600", (800, 400)),
        ("width=64&height=64&method=crop", (96, 96)),
        ("width=100&height=50&method=crop", (320, 160)),
        ("width=5000&height=5000", (1000, 500)),
        ("width=60000&height=1&method=crop", (1000, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_a_thumbnail_has_the_size_that_was_asked_for_or_the_next(
    house: MediaHouse, kind: str, query: str, size: tuple[int, int]
) -> None:
    answer = await thumbnail(house, picture(kind), query)

    assert opened(answer).size == size
    assert answer.headers["content-disposition"].startswith("inline; filename=thumbnail.")
    assert answer.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize("method", ["crop", "scale"])
async def test_a_small_picture_is_its_own_thumbnail(house: MediaHouse, method: str) -> None:
    body = picture(width=10, height=20)

    answer = await thumbnail(house, body, f"width=32&height=32&method={method}")

    assert answer.body == body


async def test_a_picture_that_is_turned_is_turned_back(house: MediaHouse) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = written(Image.effect_noise((1000, 500), 50), "JPEG", exif=exif)

    assert opened(await thumbnail(house, body)).size == (160, 320)


async def test_transparency_stays(house: MediaHouse) -> None:
    body = written(Image.new("RGBA", (500, 500), (255, 0, 0, 0)), "PNG")

    assert opened(await thumbnail(house, body)).mode == "RGBA"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
async def test_only_who_asks_for_movement_gets_it(house: MediaHouse, kind: str) -> None:
    body = animation(kind, 3)
    moving = await thumbnail(house, body, "width=96&height=96&animated=true")
    still = await thumbnail(house, body, "width=96&height=96&animated=false")
    small = await thumbnail(house, body, "width=800&height=800")

    assert moving.headers["content-type"] == "image/webp"
    assert opened(moving).n_frames == 3  # type: ignore[attr-defined]
    for one in (still, small):
        assert not getattr(opened(one), "is_animated", False)


async def test_a_long_animation_is_cut(house: MediaHouse) -> None:
    body = animation("GIF", 10_000, width=10)

    moving = await thumbnail(house, body, "width=32&height=32&animated=true")

    assert opened(moving).n_frames <= 100  # type: ignore[attr-defined]


async def test_too_many_pixels_are_refused_before_they_are_decoded(house: MediaHouse) -> None:
    bomb = png_of(60_000, 60_000, zlib.compress(bytes(10_000_000)))
    wide = png_of(2**31 - 1, 1)

    for body in (bomb, wide):
        answer = await thumbnail(house, body)
        assert (answer.status, answer.errcode) == (413, "M_TOO_LARGE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no picture",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"%PDF-1.4\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        picture("PNG")[:2000],
        picture("JPEG")[:2000],
        picture("GIF")[:900],
        picture("WEBP")[:2000],
        animation("GIF", 3)[:40],
        picture("TIFF", 50, 50),
        picture("BMP", 50, 50),
        png_of(100, 100, b"no zlib"),
        png_of(0, 0),
        b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(30),
        b"\xff\xd8\xff\xe0" + bytes(100),
    ],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("animated", ["true", "false"])
async def test_what_is_no_whole_picture_has_no_thumbnail(
    house: MediaHouse, body: bytes, animated: str
) -> None:
    answer = await thumbnail(house, body, f"width=32&height=32&animated={animated}")

    assert (answer.status, answer.errcode) == (400, "M_UNKNOWN")


async def test_a_picture_that_is_a_page_too_is_shown_as_a_picture(house: MediaHouse) -> None:
    body = picture(width=10, height=10) + b"<html><script>alert(1)</script></html>"

    answer = await thumbnail(house, body, kind="text/html")

    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "query",
    [
        "height=32",
        "width=32",
        "width=0&height=32",
        "width=-1&height=32",
        "width=a&height=32",
        "width=32&height=32&method=stretch",
        "width=32&height=32&animated=maybe",
    ],
)
async def test_wrong_parameters_are_refused(house: MediaHouse, query: str) -> None:
    answer = await thumbnail(house, picture(), query)

    assert answer.status == 400


async def test_more_thumbnails_than_may_wait_are_asked_to_come_back(tmp_path: Path) -> None:
    deployment = Deployment(f"sqlite:///{tmp_path}/db", tmp_path / "media")
    async with deployment.start(thumbnails_waiting_max=2, thumbnail_cache_bytes=0) as house:
        path = await house.upload(picture())
        asked = f"{THUMBNAIL}/{path}?width=32&height=32"
        answers = await asyncio.gather(*(house.bob.get(asked) for _ in range(6)))

        assert sorted(answer.status for answer in answers) == [200, 200, 429, 429, 429, 429]
        assert (await house.bob.get(asked)).status == 200


async def test_pillow_is_loaded_by_the_first_thumbnail() -> None:
    code = "import sys, components.mediaapi.assembly as _; assert 'PIL' not in sys.modules"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)

    assert await process.wait() == 0
