"""The media server with its files in a bucket."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import obstore
import pytest
from obstore.store import S3Store

from components.mediaapi.settings import BucketSettings, MediaApiSettings
from tests.component.mediaapi.media_house import LATER_MS, UPLOAD, Deployment, MediaHouse, path_of
from tests.fixtures.bucket_server import BucketServer


@pytest.fixture(name="bucket")
def fixture_bucket(bucket_server: BucketServer) -> BucketSettings:
    return bucket_server.new_bucket()


@pytest.fixture(name="house")
async def fixture_house(tmp_path: Path, bucket: BucketSettings) -> AsyncIterator[MediaHouse]:
    async with Deployment(f"sqlite:///{tmp_path}/db", tmp_path / "media", bucket).start() as house:
        yield house


def store_of(bucket: BucketSettings) -> S3Store:
    return S3Store(
        bucket.bucket,
        endpoint=bucket.endpoint,
        access_key_id="known",
        secret_access_key="secret",
        region="us-east-1",
        client_options={"allow_http": True},
    )


def objects_in(bucket: BucketSettings) -> list[str]:
    return sorted(one["path"] for one in obstore.list(store_of(bucket)).collect())


async def test_what_was_uploaded_is_downloaded_whole_and_in_parts(
    house: MediaHouse, bucket: BucketSettings
) -> None:
    body = os.urandom(9_000_000)

    path = await house.upload(body)

    part = await house.download(path, range="bytes=8388600-8388700")
    assert (await house.download(path)).body == body
    assert (part.status, part.body) == (206, body[8388600:8388701])
    assert len(objects_in(bucket)) == 2
    assert house.files() == []


async def test_replicas_share_the_bucket_and_no_folder(
    database_url: str, tmp_path: Path, bucket: BucketSettings
) -> None:
    first = Deployment(database_url, tmp_path / "first", bucket)
    second = Deployment(database_url, tmp_path / "second", bucket)

    async with first.start() as here, second.start() as there:
        assert (await there.download(await here.upload(b"shared"))).body == b"shared"


async def test_the_same_bytes_are_in_the_bucket_once(
    house: MediaHouse, bucket: BucketSettings
) -> None:
    first, second = await house.upload(b"same"), await house.upload(b"same")

    assert len(objects_in(bucket)) == 1
    for path in (first, second):
        await house.operator.delete(f"/_xylem/v1/media/{path.partition('/')[2]}")
    assert objects_in(bucket) == []


async def test_what_a_crash_left_in_the_bucket_is_deleted_and_what_is_known_stays(
    house: MediaHouse, bucket: BucketSettings
) -> None:
    path = await house.upload(b"known")
    (known,) = objects_in(bucket)
    # Killed between the objects of a file, and between the file and the index.
    orphan = f"{known.rpartition('/')[0].rpartition('/')[0]}/{'0' * 32}/0"
    obstore.put(store_of(bucket), orphan, b"half")

    await house.server.sweeping.sweep(before_ms=0)
    assert len(objects_in(bucket)) == 2  # it may be of an upload under way
    await house.server.sweeping.sweep(before_ms=LATER_MS * 10)

    assert objects_in(bucket) == [known]
    assert (await house.download(path)).body == b"known"


async def test_while_the_store_is_away_media_is_unavailable(tmp_path: Path) -> None:
    server = BucketServer(tmp_path)
    server.start()
    bucket = msgspec.structs.replace(server.new_bucket(), timeout_s=0.5)
    deployment = Deployment(f"sqlite:///{tmp_path}/db", tmp_path / "media", bucket)
    async with deployment.start() as house:
        path = await house.upload(b"kept")
        server.stop()

        uploaded = await house.alice.post(UPLOAD, body=b"lost")
        downloaded = await house.download(path)
        deleted = await house.operator.delete(f"/_xylem/v1/media/{path.partition('/')[2]}")

        assert (uploaded.status, downloaded.status, deleted.status) == (503, 503, 200)
        server.start()
        obstore.put(store_of(server.new_bucket()), "x", b"")  # it is there again
        assert (await house.download(path)).errcode == "M_NOT_FOUND"
        assert house.files() == []
    server.stop()


async def test_media_that_the_store_has_lost_is_not_found(
    house: MediaHouse, bucket: BucketSettings
) -> None:
    path = path_of(await house.alice.post(UPLOAD, body=b"lost"))
    obstore.delete(store_of(bucket), objects_in(bucket))

    answer = await house.download(path)

    assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    "changed",
    [{"access_key_id": "known"}, {"secret_access_key": "secret"}, {"endpoint": "minio:9000"}],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, str]) -> None:
    given = {"s3": {"bucket": "media", **changed}}

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, MediaApiSettings)


async def test_the_secret_is_read_from_a_file(tmp_path: Path, bucket: BucketSettings) -> None:
    (tmp_path / "secret").write_text("secret\n")
    from_file = msgspec.structs.replace(
        bucket, secret_access_key="", secret_access_key_path=str(tmp_path / "secret")
    )
    deployment = Deployment(f"sqlite:///{tmp_path}/db", tmp_path / "media", from_file)
    async with deployment.start() as house:
        assert (await house.download(await house.upload(b"kept"))).body == b"kept"
