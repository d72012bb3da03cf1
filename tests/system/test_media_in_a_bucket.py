"""A real server with its media in a bucket, through SIGKILL."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import obstore
import pytest
from obstore.store import S3Store

from components.mediaapi.settings import BucketSettings
from tests.fixtures.bucket_server import BucketServer
from tests.system.client import Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import ServerProcess
from tests.system.test_media import Uploader


@pytest.fixture(name="bucket")
def fixture_bucket(bucket_server: BucketServer) -> BucketSettings:
    return bucket_server.new_bucket()


@pytest.fixture(name="process")
def fixture_process(tmp_path: Path, bucket: BucketSettings) -> Iterator[ServerProcess]:
    (tmp_path / "key").write_text("secret\n")
    s3 = {
        "bucket": bucket.bucket,
        "endpoint": bucket.endpoint,
        "access_key_id": "known",
        "secret_access_key_path": str(tmp_path / "key"),
    }
    media = {**NO_RATE_LIMITS.get("mediaapi", {}), "s3": s3}
    process = ServerProcess(tmp_path, {**NO_RATE_LIMITS, "mediaapi": media})
    process.start()
    yield process
    process.kill()


@pytest.fixture(name="alice")
async def fixture_alice(http: aiohttp.ClientSession, process: ServerProcess) -> Uploader:
    user = await Homeserver(http, lambda: process.url).register("alice")
    return Uploader(http, process, user.token)


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1_000_000):
        yield body[start : start + 1_000_000]


async def test_media_is_in_the_bucket_and_a_kill_during_an_upload_leaves_nothing(
    process: ServerProcess, alice: Uploader, bucket: BucketSettings
) -> None:
    body = os.urandom(20_000_000)
    kept = await alice.upload(in_pieces(body))
    killed = asyncio.Event()
    unfinished = process.folder / "data" / "media" / "unfinished"

    async def endless() -> AsyncIterator[bytes]:
        while not killed.is_set():
            yield bytes(1_000_000)
            # It is killed when more than one object's worth of it has come.
            if any(path.stat().st_size > 10_000_000 for path in unfinished.iterdir()):
                process.kill()
                killed.set()

    with pytest.raises(aiohttp.ClientError):
        await alice.upload(endless())
    process.start()

    while list(unfinished.iterdir()):  # noqa: ASYNC110 (files go, and nobody says so)
        await asyncio.sleep(0.01)
    store = S3Store(
        bucket.bucket,
        endpoint=bucket.endpoint,
        access_key_id="known",
        secret_access_key="secret",
        client_options={"allow_http": True},
    )
    assert len(obstore.list(store).collect()) == 3
    assert await alice.download(kept) == body
