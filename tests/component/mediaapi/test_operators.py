"""Operators look at media, delete it, and quarantine it."""

import asyncio
import hashlib
import io
import itertools

import pytest
from PIL import Image

from tests.component.mediaapi.media_house import (
    CREATE,
    DOWNLOAD,
    OPEN,
    Deployment,
    MediaHouse,
    path_of,
)

MEDIA = "/_xylem/v1/media"
QUARANTINE = f"{MEDIA}/quarantine"
LIFT = f"{MEDIA}/lift-quarantine"
THUMBNAIL = "/_matrix/client/v1/media/thumbnail"


def id_of(path: str) -> str:
    return path.partition("/")[2]


async def status_of(house: MediaHouse, path: str) -> int:
    """Return what a download ends with; what is refused is refused as if it was never there."""
    answer = await house.bob.get(f"{DOWNLOAD}/{path}?timeout_ms=0")
    assert answer.status == 200 or answer.errcode == "M_NOT_FOUND"
    return answer.status


async def test_media_of_a_user_is_listed_page_by_page(house: MediaHouse) -> None:
    ids = [id_of(await house.upload(b"%d" % number)) for number in range(3)]
    house.clock.advance_ms(1000)
    ids.append(id_of(path_of(await house.alice.post(CREATE, {}))))
    await house.bob.post("/_matrix/media/v3/upload", body=b"of another user")

    listed, after = [], ""
    for _ in itertools.count():
        page = await house.operator.get(f"{MEDIA}?user=alice&limit=2&after={after}")
        listed += page.json["media"]
        after = page.json["next_after"]
        if after is None:
            break

    assert sorted(one["media_id"] for one in listed) == sorted(ids)
    first, last = next(one for one in listed if one["media_id"] == ids[0]), listed[-1]
    assert (first["size"], first["sha256"]) == (1, hashlib.sha256(b"0").hexdigest())
    assert first["user_id"] == "@alice:xylem.test"
    assert (first["is_quarantined"], first["content_type"]) == (False, "image/png")
    assert (last["media_id"], last["size"], last["sha256"]) == (ids[3], None, None)


async def test_deleted_media_is_gone_with_its_file(house: MediaHouse) -> None:
    path, other = await house.upload(b"deleted"), await house.upload(b"other")

    answer = await house.operator.delete(f"{MEDIA}/{id_of(path)}")

    assert (answer.status, answer.json) == (200, {"deleted": 1})
    assert (await status_of(house, path), await status_of(house, other)) == (404, 200)
    assert len(house.files()) == 1
    assert (await house.operator.get(f"{MEDIA}/{id_of(path)}")).status == 404
    assert (await house.operator.delete(f"{MEDIA}/{id_of(path)}")).errcode == "M_NOT_FOUND"


async def test_a_file_stays_as_long_as_other_media_has_it(house: MediaHouse) -> None:
    first, second = await house.upload(b"same"), await house.upload(b"same")

    await house.operator.delete(f"{MEDIA}/{id_of(first)}")
    assert await status_of(house, second) == 200
    await house.operator.delete(f"{MEDIA}/{id_of(second)}")

    assert house.files() == []
    assert await status_of(house, await house.upload(b"same")) == 200


async def test_a_thumbnail_in_memory_is_not_given_of_what_is_deleted_or_quarantined(
    house: MediaHouse,
) -> None:
    written = io.BytesIO()
    Image.new("RGB", (400, 300)).save(written, "PNG")
    path = await house.upload(written.getvalue())
    asked = f"{THUMBNAIL}/{path}?width=96&height=96"
    assert (await house.bob.get(asked)).status == 200

    await house.operator.post(QUARANTINE, {"media_id": id_of(path)})
    assert (await house.bob.get(asked)).errcode == "M_NOT_FOUND"
    await house.operator.post(LIFT, {"media_id": id_of(path)})
    assert (await house.bob.get(asked)).status == 200
    await house.operator.delete(f"{MEDIA}/{id_of(path)}")

    assert (await house.bob.get(asked)).errcode == "M_NOT_FOUND"


async def test_all_media_of_a_user_is_deleted_and_no_longer_counts(
    deployment: Deployment,
) -> None:
    async with deployment.start(quota_bytes_per_user=10) as house:
        path = await house.upload(b"12345678")
        pending = path_of(await house.alice.post(CREATE, {}))
        kept = path_of(await house.bob.post("/_matrix/media/v3/upload", body=b"12345678"))

        answer = await house.operator.post(f"{MEDIA}/delete", {"user": "@alice:xylem.test"})

        assert answer.json == {"deleted": 2}
        assert [await status_of(house, one) for one in (path, pending, kept)] == [404, 404, 200]
        assert await status_of(house, await house.upload(b"0123456789")) == 200


async def test_media_of_before_some_time_is_deleted(house: MediaHouse) -> None:
    old = await house.upload(b"old")
    house.clock.advance_ms(1000)
    new = await house.upload(b"new")

    before = {"user": "alice", "created_before_ms": house.clock.now_ms()}
    answer = await house.operator.post(f"{MEDIA}/delete", before)

    assert answer.json == {"deleted": 1}
    assert (await status_of(house, old), await status_of(house, new)) == (404, 200)


async def test_uploads_of_bytes_that_are_deleted_at_the_same_time_are_there(
    house: MediaHouse,
) -> None:
    async def delete(path: str) -> None:
        await house.operator.delete(f"{MEDIA}/{id_of(path)}")

    path = await house.upload(b"again and again")
    for _ in range(20):
        path, _ = await asyncio.gather(house.upload(b"again and again"), delete(path))
        assert await status_of(house, path) == 200


async def test_files_that_could_not_be_deleted_are_deleted_later(deployment: Deployment) -> None:
    async with deployment.start() as house:
        path = await house.upload(b"deleted")
        (file,) = house.files()
        # A folder in its place is what no file can be deleted from.
        file.rename(house.folder / "away")
        (file / "in the way").mkdir(parents=True)
        assert (await house.operator.delete(f"{MEDIA}/{id_of(path)}")).status == 200
        (file / "in the way").rmdir()
        file.rmdir()
        (house.folder / "away").rename(file)

    async with deployment.start() as house:
        await house.server.sweeping.sweep(before_ms=0)

        assert house.files() == []


async def test_quarantined_bytes_reach_nobody_whoever_uploads_them_again(
    deployment: Deployment,
) -> None:
    async with deployment.start(open_downloads=True) as house:
        path, twin = await house.upload(b"bad"), await house.upload(b"bad")

        answer = await house.operator.post(QUARANTINE, {"media_id": id_of(path)})
        again = path_of(await house.bob.post("/_matrix/media/v3/upload", body=b"bad"))

        assert answer.json == {"changed": 1}
        for one in (path, twin, again):
            assert await status_of(house, one) == 404
            assert (await house.nobody.get(f"{OPEN}/{one}")).errcode == "M_NOT_FOUND"
        state = (await house.operator.get(f"{MEDIA}/{id_of(again)}")).json
        assert state["is_quarantined"] is True


async def test_quarantine_outlives_the_media(house: MediaHouse) -> None:
    path = await house.upload(b"bad")
    await house.operator.post(QUARANTINE, {"media_id": id_of(path)})
    await house.operator.delete(f"{MEDIA}/{id_of(path)}")
    assert house.files() == []

    again = await house.upload(b"bad")
    assert await status_of(house, again) == 404
    page = (await house.operator.get("/_xylem/v1/quarantined-media")).json
    lifted = await house.operator.post(LIFT, {"sha256": page["sha256"][0]})

    assert page == {"sha256": [hashlib.sha256(b"bad").hexdigest()], "next_after": None}
    assert lifted.json == {"changed": 1}
    assert await status_of(house, again) == 200


async def test_all_that_a_user_has_uploaded_is_quarantined_and_let_go(house: MediaHouse) -> None:
    paths = [await house.upload(b"1"), await house.upload(b"1"), await house.upload(b"2")]
    other = path_of(await house.bob.post("/_matrix/media/v3/upload", body=b"3"))

    quarantined = await house.operator.post(QUARANTINE, {"user": "alice"})
    statuses = [await status_of(house, one) for one in (*paths, other)]
    repeated = await house.operator.post(QUARANTINE, {"user": "alice"})
    lifted = await house.operator.post(LIFT, {"user": "@alice:xylem.test"})

    assert (quarantined.json, repeated.json) == ({"changed": 2}, {"changed": 0})
    assert statuses == [404, 404, 404, 200]
    assert lifted.json == {"changed": 2}
    assert [await status_of(house, one) for one in paths] == [200, 200, 200]


async def test_bytes_are_quarantined_before_anybody_uploads_them(house: MediaHouse) -> None:
    hashes = sorted(hashlib.sha256(body).hexdigest() for body in (b"1", b"2", b"3"))
    for one in hashes:
        await house.operator.post(QUARANTINE, {"sha256": one})

    first = (await house.operator.get("/_xylem/v1/quarantined-media?limit=2")).json
    second = await house.operator.get(f"/_xylem/v1/quarantined-media?after={first['next_after']}")

    assert await status_of(house, await house.upload(b"2")) == 404
    assert [*first["sha256"], *second.json["sha256"]] == hashes
    assert second.json["next_after"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sha256": "12"},
        {"sha256": "x" * 64},
        {"user": "alice", "media_id": "one"},
        {"media_id": "one", "more": 1},
        {"user": "@alice"},
    ],
    ids=str,
)
async def test_what_names_no_bytes_is_refused(house: MediaHouse, body: dict[str, object]) -> None:
    answer = await house.operator.post(QUARANTINE, body)

    assert (answer.status, answer.errcode is not None) == (400, True)


async def test_what_is_not_there_is_not_quarantined(house: MediaHouse) -> None:
    pending = path_of(await house.alice.post(CREATE, {}))

    for media_id in ("unknown", id_of(pending)):
        answer = await house.operator.post(QUARANTINE, {"media_id": media_id})
        assert answer.errcode == "M_NOT_FOUND"


async def test_a_page_begins_only_where_one_can(house: MediaHouse) -> None:
    answer = await house.operator.get(f"{MEDIA}?user=alice&after=nowhere")

    assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")
