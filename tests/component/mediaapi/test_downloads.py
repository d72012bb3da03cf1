"""Downloading: who gets what, in which parts, and under which name."""

import asyncio
import os

import pytest

from tests.component.mediaapi.media_house import (
    CREATE,
    DOWNLOAD,
    OPEN,
    UPLOAD,
    Deployment,
    MediaHouse,
    path_of,
)

BODY = bytes(range(256)) * 2000


async def test_media_keeps_browsers_from_running_it(house: MediaHouse) -> None:
    answer = await house.download(await house.upload(b"<script>", kind="text/html"))

    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("image/png", "inline"),
        ("TEXT/plain; charset=utf-8", "inline"),
        ("audio/x-flac", "inline"),
        ("image/svg+xml", "attachment"),
        ("application/pdf", "attachment"),
        ("image/png-but-not", "attachment"),
    ],
)
async def test_only_harmless_types_are_shown_inline(
    house: MediaHouse, kind: str, shown: str
) -> None:
    answer = await house.download(await house.upload(kind=kind))

    assert answer.headers["content-disposition"] == shown
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a.png", "inline; filename=a.png"),
        ("a%20b.png", 'inline; filename="a b.png"'),
        ("a%22%5C.png", r'inline; filename="a\"\\.png"'),
        ("%C3%A4.png", "inline; filename*=utf-8''%C3%A4.png"),
        ("a%0D%0AX-Evil:%201", 'inline; filename="aX-Evil: 1"'),
    ],
)
async def test_a_file_name_comes_back_whatever_is_in_it(
    house: MediaHouse, name: str, disposition: str
) -> None:
    answer = await house.download(await house.upload(name=name))

    assert answer.headers["content-disposition"] == disposition


async def test_the_path_can_name_the_file_otherwise(house: MediaHouse) -> None:
    path = await house.upload(name="a.png")

    answer = await house.download(f"{path}/other.png")

    assert answer.headers["content-disposition"] == "inline; filename=other.png"


@pytest.mark.parametrize("given", ["", "nonsense", "image/png\tx", "x/" + "y" * 300])
async def test_what_is_no_content_type_becomes_one(house: MediaHouse, given: str) -> None:
    answer = await house.download(await house.upload(kind=given))

    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=511990-", 511_990, 512_000),
        ("bytes=-10", 511_990, 512_000),
        ("bytes=0-9999999", 0, 512_000),
        ("bytes=-9999999", 0, 512_000),
    ],
)
async def test_a_part_is_given_where_one_is_asked_for(
    house: MediaHouse, asked: str, start: int, end: int
) -> None:
    answer = await house.download(await house.upload(BODY), range=asked)

    assert answer.status == 206
    assert answer.body == BODY[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/512000"


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=0-1,5-6", "lines=0-1", "bytes=-", "x"])
async def test_what_is_no_single_part_gets_the_whole(house: MediaHouse, asked: str) -> None:
    answer = await house.download(await house.upload(BODY), range=asked)

    assert (answer.status, answer.body) == (200, BODY)


async def test_a_part_behind_the_end_is_refused(house: MediaHouse) -> None:
    answer = await house.download(await house.upload(BODY), range="bytes=512000-")

    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */512000"


async def test_what_a_client_has_is_not_sent_again(house: MediaHouse) -> None:
    path = await house.upload(BODY)
    etag = (await house.download(path)).headers["etag"]

    same = await house.download(path, if_none_match=etag)
    resumed = await house.download(path, range="bytes=0-9", if_range=etag)
    changed = await house.download(path, range="bytes=0-9", if_range='"other"')

    assert (same.status, same.body) == (304, b"")
    assert (resumed.status, changed.status) == (206, 200)


async def test_head_tells_the_size_and_sends_nothing(house: MediaHouse) -> None:
    path = await house.upload(BODY)

    answer = await house.bob.request("HEAD", f"{DOWNLOAD}/{path}")

    assert answer.headers["content-length"] == "512000"
    assert answer.body == b""


async def test_guests_see_media_and_strangers_do_not(house: MediaHouse) -> None:
    path = await house.upload()
    guest = await house.nobody.as_user("@guest:xylem.test").get(f"{DOWNLOAD}/{path}")
    stranger = await house.nobody.get(f"{DOWNLOAD}/{path}")

    assert guest.status == 200
    assert (stranger.status, stranger.errcode) == (401, "M_MISSING_TOKEN")


async def test_the_open_endpoints_have_what_was_uploaded_while_they_were_open(
    deployment: Deployment,
) -> None:
    async with deployment.start(open_downloads=True) as house:
        before = await house.upload(b"before")
    async with deployment.start() as house:
        after = await house.upload(b"after")
        for version in ("r0", "v1", "v3"):
            path = OPEN.replace("v3", version)
            assert (await house.nobody.get(f"{path}/{before}")).body == b"before"
            refused = await house.alice.get(f"{path}/{after}")
            assert (refused.status, refused.errcode) == (404, "M_NOT_FOUND")
        assert (await house.download(before)).body == b"before"
        assert (await house.download(after)).body == b"after"


@pytest.mark.parametrize(
    "path",
    [
        "xylem.test/unknown",
        "other.test/unknown",
        "xylem.test/..%2F..%2Fetc%2Fpasswd",
        "..%2F..%2Fetc/passwd",
        "xylem.test/%C3%A4",
    ],
)
async def test_what_is_not_there_is_not_found(house: MediaHouse, path: str) -> None:
    await house.upload()

    answer = await house.download(path)

    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_a_download_waits_for_the_upload(house: MediaHouse) -> None:
    path = path_of(await house.alice.post(CREATE, {}))
    waiting = asyncio.create_task(house.download(path))
    await house.until_waiting()

    await house.alice.put(f"{UPLOAD}/{path}", body=BODY)

    assert (await waiting).body == BODY


async def test_a_download_that_does_not_wait_hears_that_nothing_is_there_yet(
    house: MediaHouse,
) -> None:
    path = path_of(await house.alice.post(CREATE, {}))

    answer = await house.bob.get(f"{DOWNLOAD}/{path}?timeout_ms=0")

    assert (answer.status, answer.errcode) == (504, "M_NOT_YET_UPLOADED")


async def test_downloads_that_wait_are_let_go_when_the_server_stops(house: MediaHouse) -> None:
    path = path_of(await house.alice.post(CREATE, {}))
    waiting = asyncio.create_task(house.download(path))
    await house.until_waiting()

    house.server.waits.end()

    assert (await waiting).errcode == "M_NOT_YET_UPLOADED"


async def test_a_download_finds_what_another_replica_has_taken(deployment: Deployment) -> None:
    async with deployment.start() as one, deployment.start() as other:
        path = path_of(await one.alice.post(CREATE, {}))
        await one.alice.put(f"{UPLOAD}/{path}", body=BODY)

        assert (await other.download(path)).body == BODY


async def test_a_lost_file_is_not_found(house: MediaHouse) -> None:
    path = await house.upload(os.urandom(10))
    (file,) = house.files()
    file.unlink()

    answer = await house.download(path)

    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")
